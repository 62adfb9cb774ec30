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

}  // namespace

std::string seal(std::string_view content) {
  const XXH64_hash_t hash = XXH3_64bits(content.data(), content.size());
  std::string bytes(kMark);
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return bytes;
}

void check_seal(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0));
  if (!file || size < kSealBytes) return;
  char end[kSealBytes];
  file.seekg(static_cast<std::streamoff>(size - kSealBytes));
  if (!file.read(end, sizeof end) || std::memcmp(end, kMark.data(), kMark.size()) != 0) return;
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

}  // namespace bitsmith::base::hdf5
