#include <fmt/format.h>
#include <zip.h>

#include <memory>
#include <system_error>

#include "quant/base/error.hpp"
#include "quant/base/npy.hpp"

namespace bitsmith::base {
namespace {
namespace fs = std::filesystem;

using Archive = std::unique_ptr<zip_t, void (*)(zip_t*)>;
using Entry = std::unique_ptr<zip_file_t, int (*)(zip_file_t*)>;

Archive open_archive(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw UserError(fmt::format("{}: is a directory, not a file", path.string()));
  int code = 0;
  zip_t* const archive = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (archive != nullptr) return {archive, zip_discard};
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw UserError(fmt::format("{}: cannot read as .npz archive: {}", path.string(), reason));
}

// Grows with what is really there: the size that the archive's directory states is not trusted.
std::string unpack(zip_t* archive, zip_uint64_t index, const std::string& source, std::uint64_t max_bytes) {
  const Entry entry(zip_fopen_index(archive, index, 0), zip_fclose);
  if (!entry) throw UserError(fmt::format("{}: cannot unpack: {}", source, zip_strerror(archive)));
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const zip_int64_t count = zip_fread(entry.get(), buffer, sizeof buffer);
    if (count < 0)
      throw UserError(fmt::format("{}: cannot unpack: {}", source, zip_file_strerror(entry.get())));
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
    if (content.size() > max_bytes) throw UserError(fmt::format("{}: unpacks to too many bytes", source));
  }
}

}  // namespace

std::map<std::string, NpyArray> read_npz(const fs::path& path, std::uint64_t max_bytes) {
  const Archive archive = open_archive(path);
  std::map<std::string, NpyArray> arrays;
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* const raw_name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    std::string name = raw_name != nullptr ? raw_name : "";
    const std::string source = fmt::format("{}: {}", path.string(), name);
    if (!name.ends_with(".npy")) throw UserError(fmt::format("{}: not a .npy array", source));
    const std::string content = unpack(archive.get(), static_cast<zip_uint64_t>(i), source, max_bytes);
    max_bytes -= content.size();
    name.resize(name.size() - 4);
    if (!arrays.emplace(name, parse_npy(content, source)).second)
      throw UserError(fmt::format("{}: is there twice", source));
  }
  return arrays;
}

}  // namespace bitsmith::base
