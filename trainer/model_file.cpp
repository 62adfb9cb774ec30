#include "trainer/model_file.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cstring>
#include <memory>
#include <new>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "trainer/model_description.hpp"

namespace bitsmith::trainer {
namespace {

static_assert(std::endian::native == std::endian::little, "model files are written as memory has them");

constexpr std::size_t kHeader = 64, kChecksumAt = 56;

struct Header {
  char magic[8];
  std::uint32_t version, zero;
  std::uint64_t file_bytes, description_bytes, numbers_at;
  std::uint64_t reserved[2];
  std::uint64_t checksum;
};
static_assert(sizeof(Header) == kHeader && offsetof(Header, checksum) == kChecksumAt);

std::uint64_t checksum(std::string_view file) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  if (state == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state.get());
  XXH3_64bits_update(state.get(), file.data(), kChecksumAt);
  XXH3_64bits_update(state.get(), file.data() + kHeader, file.size() - kHeader);
  return XXH3_64bits_digest(state.get());
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw base::UserError(fmt::format("{}: {}", name, why));
}

Header read_header(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with(kModelFileMagic))
    refuse(name, "is no model file of bitsmith (.bsm): it begins with other bytes");
  Header header;
  if (bytes.size() < kHeader)
    refuse(name, fmt::format("is truncated: it has {} bytes, its header alone {}", bytes.size(), kHeader));
  std::memcpy(&header, bytes.data(), kHeader);
  if (header.version != kModelFileVersion)
    refuse(name,
           fmt::format("has format version {}, this program reads {}", header.version, kModelFileVersion));
  if (header.file_bytes > bytes.size())
    refuse(name, fmt::format("is truncated: it has {} of {} bytes", bytes.size(), header.file_bytes));
  if (header.file_bytes != bytes.size())
    refuse(name,
           fmt::format("is damaged: it has {} bytes, its header says {}", bytes.size(), header.file_bytes));
  if (checksum(bytes) != header.checksum) refuse(name, "is damaged: its checksum does not fit its bytes");
  if (header.numbers_at > bytes.size() || header.numbers_at < kHeader ||
      header.description_bytes > header.numbers_at - kHeader ||
      header.numbers_at % NumberStore::kAlignment != 0)
    refuse(name, "is damaged: its header contradicts itself");
  return header;
}

}  // namespace

std::string model_to_bytes(const DeployedModel& model) {
  NumberStore numbers;
  const std::string description = describe_model(model, numbers);
  const std::size_t begin = (kHeader + description.size() + NumberStore::kAlignment - 1) /
                            NumberStore::kAlignment * NumberStore::kAlignment;
  std::string bytes(begin, '\0');
  std::memcpy(bytes.data() + kHeader, description.data(), description.size());
  bytes += numbers.bytes();
  Header header{};
  std::memcpy(header.magic, kModelFileMagic.data(), sizeof header.magic);
  header.version = kModelFileVersion;
  header.file_bytes = bytes.size();
  header.description_bytes = description.size();
  header.numbers_at = begin;
  std::memcpy(bytes.data(), &header, kHeader);
  header.checksum = checksum(bytes);
  std::memcpy(bytes.data(), &header, kHeader);
  return bytes;
}

DeployedModel model_from_bytes(std::string_view bytes, const std::string& name) {
  const Header header = read_header(bytes, name);
  try {
    return model_of_description(bytes.substr(kHeader, header.description_bytes),
                                bytes.substr(header.numbers_at));
  } catch (const base::UserError& error) {
    refuse(name, error.what());
  }
}

void save_model(const DeployedModel& model, const std::filesystem::path& path) {
  base::replace_file(path, model_to_bytes(model));
}

DeployedModel load_model(const std::filesystem::path& path) {
  return model_from_bytes(base::read_file(path), path.string());
}

}  // namespace bitsmith::trainer
