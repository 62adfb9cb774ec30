#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitsmith::quant {

/// Fields of up to 32 bits one after the other, each from its lowest bit to its highest, bytes filled from
/// their lowest bit: the first of two 4-bit fields lies in the low nibble. (write* finish)*
class BitWriter {
 public:
  explicit BitWriter(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
  /// The low `bits` bits of `field`: of a negative number its two's complement.
  void write(std::uint32_t field, int bits);
  /// Fills the last byte up with zeros.
  void finish();

 private:
  std::vector<std::uint8_t>& bytes_;
  std::uint64_t held_ = 0;
  int count_ = 0;  // of bits in held_, below 8 between calls
};

/// Reads what BitWriter wrote. Both throw UserError: at the end of the bytes, for spare bits that are not 0.
class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint32_t read(int bits);
  /// To the next whole byte.
  void finish();
  bool at_end() const { return next_ == bytes_.size() && count_ == 0; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t next_ = 0;
  std::uint64_t held_ = 0;
  int count_ = 0;
};

/// The number whose two's complement is the `bits`-bit field.
inline std::int32_t signed_field(std::uint32_t field, int bits) {
  const std::uint32_t sign = std::uint32_t{1} << (bits - 1);
  return static_cast<std::int32_t>((field ^ sign) - sign);
}

}  // namespace bitsmith::quant
