#include "trainer/packed_bits.hpp"

#include "quant/base/error.hpp"

namespace bitsmith::trainer {

std::string pack_bits(std::span<const std::int8_t> values, int bits) {
  base::require(bits >= 2 && bits <= 8, "pack_bits: 2 to 8 bits");
  std::string packed;
  packed.reserve(packed_bytes(values.size(), bits));
  const unsigned mask = (1u << bits) - 1;
  unsigned pending = 0;
  int held = 0;
  for (std::int8_t value : values) {
    pending |= (static_cast<unsigned>(value) & mask) << held;
    for (held += bits; held >= 8; held -= 8, pending >>= 8)
      packed.push_back(static_cast<char>(pending & 255));
  }
  if (held > 0) packed.push_back(static_cast<char>(pending));
  return packed;
}

std::vector<std::int8_t> unpack_bits(std::string_view packed, std::size_t count, int bits) {
  base::require(bits >= 2 && bits <= 8, "unpack_bits: 2 to 8 bits");
  base::require(packed.size() == packed_bytes(count, bits), "unpack_bits: another number of bytes");
  std::vector<std::int8_t> values(count);
  const unsigned mask = (1u << bits) - 1, sign = 1u << (bits - 1);
  unsigned pending = 0;
  int held = 0;
  std::size_t next = 0;
  for (std::int8_t& value : values) {
    if (held < bits) {
      pending |= static_cast<unsigned>(static_cast<unsigned char>(packed[next++])) << held;
      held += 8;
    }
    value = static_cast<std::int8_t>(static_cast<int>((pending & mask) ^ sign) - static_cast<int>(sign));
    pending >>= bits;
    held -= bits;
  }
  return values;
}

}  // namespace bitsmith::trainer
