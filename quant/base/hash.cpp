#include "quant/base/hash.hpp"

#include <fmt/format.h>
#include <xxhash.h>

namespace bitsmith::base {

void Hasher::add(std::string_view text) {
  add(static_cast<std::uint64_t>(text.size()));
  bytes_.append(text);
}

void Hasher::add(std::span<const std::byte> bytes) {
  add(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void Hasher::add(std::uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }

std::uint64_t Hasher::value() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

std::string Hasher::hex() const { return fmt::format("{:016x}", value()); }

}  // namespace bitsmith::base
