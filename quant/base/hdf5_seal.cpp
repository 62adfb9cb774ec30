#include "quant/base/hdf5_seal.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "quant/base/error.hpp"

namespace bitsmith::base::hdf5 {
namespace {

constexpr std::string_view kMark = "bitsmith-xxh3-64";
constexpr std::size_t kSealBytes = kMark.size() + sizeof(XXH64_hash_t);
constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";  // of HDF5 files

/// The seal's place, if the mark is there.
bool read_seal(std::ifstream& file, std::size_t size, char (&end)[kSealBytes]) {
  if (!file || size < kSealBytes) return false;
  file.seekg(static_cast<std::streamoff>(size - kSealBytes));
  return file.read(end, sizeof end) && std::memcmp(end, kMark.data(), kMark.size()) == 0;
}

std::size_t size_of(std::ifstream& file) {
  return static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0));
}

}  // namespace

std::string seal(std::string_view content) {
  const XXH64_hash_t hash = XXH3_64bits(content.data(), content.size());
  std::string bytes(kMark);
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return bytes;
}

void check_seal(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::size_t size = size_of(file);
  char end[kSealBytes];
  if (!read_seal(file, size, end)) return;
  file.seekg(0);
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<char> block(1 << 20);
  for (std::size_t left = size - kSealBytes; left > 0;) {
    const std::size_t count = std::min(left, block.size());
    if (!file.read(block.data(), static_cast<std::streamsize>(count))) break;
    XXH3_64bits_update(state.get(), block.data(), count);
    left -= count;
  }
  const XXH64_hash_t hash = XXH3_64bits_digest(state.get());
  if (std::memcmp(end + kMark.size(), &hash, sizeof hash) != 0)
    throw UserError(
        fmt::format("{}: damaged: its content is not what was written (checksum)", path.string()));
}

bool lacks_seal(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::size_t size = size_of(file);
  char start[kSignature.size()], end[kSealBytes];
  file.seekg(0);
  if (!file.read(start, sizeof start) || std::memcmp(start, kSignature.data(), sizeof start) != 0)
    return false;
  return !read_seal(file, size, end);
}

}  // namespace bitsmith::base::hdf5
