#include <fmt/format.h>
#include <zip.h>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/npy.hpp"

namespace bitsmith::base {

void write_npz(const std::filesystem::path& path, const std::map<std::string, std::string>& arrays) {
  replace_file(path, [&](const std::filesystem::path& temporary) {
    int code = 0;
    zip_t* const archive = zip_open(temporary.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (archive == nullptr)
      throw UserError(fmt::format("{}: cannot write (libzip error {})", path.string(), code));
    const auto refuse = [&] {
      const std::string why = zip_strerror(archive);
      zip_discard(archive);
      throw UserError(fmt::format("{}: cannot write: {}", path.string(), why));
    };
    for (const auto& [name, bytes] : arrays) {
      zip_source_t* const source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
      if (source == nullptr) refuse();
      const zip_int64_t index = zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
      if (index < 0) {
        zip_source_free(source);
        refuse();
      }
      zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
    }
    if (zip_close(archive) != 0) refuse();
  });
}

}  // namespace bitsmith::base
