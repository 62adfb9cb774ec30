#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::trainer {

/// Integers of `bits` (2..8) each, in two's complement, without gaps: value i takes bits i*bits ..
/// i*bits+bits-1, counted from the lowest bit of byte 0.
std::string pack_bits(std::span<const std::int8_t> values, int bits);
/// `packed` must hold exactly packed_bytes(count, bits).
std::vector<std::int8_t> unpack_bits(std::string_view packed, std::size_t count, int bits);

constexpr std::uint64_t packed_bytes(std::uint64_t count, int bits) {
  return count / 8 * static_cast<std::uint64_t>(bits) +
         (count % 8 * static_cast<std::uint64_t>(bits) + 7) / 8;
}

}  // namespace bitsmith::trainer
