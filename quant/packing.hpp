#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/base/aligned_vector.hpp"

namespace bitsmith::quant {

/// Two 4-bit integers (-8..7) to a byte, the first in the low nibble; an odd last one is followed by a zero
/// nibble. UserError for a value that does not fit.
std::vector<std::uint8_t> pack_int4(std::span<const std::int8_t> values);

/// The `count` integers back. UserError if `bytes` has another size than pack_int4 gives, or a filled last
/// nibble that belongs to nothing.
std::vector<std::int8_t> unpack_int4(std::span<const std::uint8_t> bytes, std::int64_t count);

/// A matrix of weights [outputs][depth] laid out for tiles of up to 64 outputs: blocks of outputs, one after
/// the other, each 64 wide, the last one as wide as needed, in steps of 16; within a block
///   8 bits: [depth / i][width][i]       one weight a byte,
///   4 bits: [depth / 2i][width][i]      byte j of a group: depth j low, depth i + j high,
///   2 bits: [depth / 4i][width][i]      byte j of a group: depths j, i + j, 2i + j, 3i + j, from the lowest
///                                       pair of bits to the highest, each w + 2 for a weight w,
/// with i = interleave: 4 for byte dot products, 1 for floats. Depth and width are padded with zero weights.
class PackedMatrix {
 public:
  static constexpr int kBlock = 64;
  static constexpr int kStep = 16;

  PackedMatrix() = default;
  /// InternalError unless bits is 2, 4 or 8, interleave 1 or 4, and `weights` has outputs * depth elements;
  /// UserError for a weight that does not fit into 4 or 2 bits.
  PackedMatrix(std::span<const std::int8_t> weights, int outputs, std::int64_t depth, int bits,
               int interleave);

  int outputs() const { return outputs_; }
  std::int64_t padded_depth() const { return padded_depth_; }
  int blocks() const { return (outputs_ + kBlock - 1) / kBlock; }
  int width(int block) const;  ///< of the block, padding included
  int used(int block) const;   ///< outputs in the block
  const std::uint8_t* block(int block) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(bytes_.size()); }

  /// The weights back, [outputs][depth].
  std::vector<std::int8_t> unpack() const;

 private:
  int held() const { return 8 / bits_; }                 ///< weights in a byte
  std::int64_t place(int output, std::int64_t k) const;  ///< of the byte
  int shift(std::int64_t k) const;                       ///< in the byte

  int outputs_ = 0, bits_ = 8, interleave_ = 1;
  std::int64_t depth_ = 0, padded_depth_ = 0;
  base::AlignedVector<std::uint8_t> bytes_;
};

}  // namespace bitsmith::quant
