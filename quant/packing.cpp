#include "quant/packing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::uint8_t kPairsOfZero = 0xAA;  // four 2-bit weights, each stored with 2 added

std::uint8_t nibble(std::int8_t value) { return static_cast<std::uint8_t>(value) & 0x0F; }
std::int8_t signed_nibble(int bits) { return static_cast<std::int8_t>(((bits & 0x0F) ^ 8) - 8); }

void refuse_wide(std::span<const std::int8_t> values, int bits) {
  const int most = 1 << (bits - 1);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < -most || values[i] >= most)
      throw base::UserError(fmt::format("int{}: element {} of {} is {}; {} bits hold {} to {}", bits, i,
                                        values.size(), values[i], bits, -most, most - 1));
}

}  // namespace

std::vector<std::uint8_t> pack_int4(std::span<const std::int8_t> values) {
  refuse_wide(values, 4);
  std::vector<std::uint8_t> bytes((values.size() + 1) / 2);
  for (std::size_t i = 0; i < values.size(); ++i)
    bytes[i / 2] = static_cast<std::uint8_t>(bytes[i / 2] | nibble(values[i]) << (i % 2 * 4));
  return bytes;
}

std::vector<std::int8_t> unpack_int4(std::span<const std::uint8_t> bytes, std::int64_t count) {
  // Compared without adding to count, which may be anything.
  const std::uint64_t held = static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
  if (count < 0 || bytes.size() != held / 2 + held % 2)
    throw base::UserError(fmt::format("int4: {} weights cannot lie in {} bytes", count, bytes.size()));
  if (count % 2 != 0 && bytes.back() >> 4 != 0)
    throw base::UserError(
        fmt::format("int4: the spare half of the last byte is {}, not 0", bytes.back() >> 4));
  std::vector<std::int8_t> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = signed_nibble(bytes[i / 2] >> (i % 2 * 4));
  return values;
}

PackedMatrix::PackedMatrix(std::span<const std::int8_t> weights, int outputs, std::int64_t depth, int bits,
                           int interleave)
    : outputs_(outputs), bits_(bits), interleave_(interleave), depth_(depth) {
  base::require((bits == 2 || bits == 4 || bits == 8) && (interleave == 1 || interleave == 4),
                "no such packing");
  base::require(outputs >= 1 && depth >= 1 &&
                    weights.size() == static_cast<std::size_t>(outputs) * static_cast<std::size_t>(depth),
                "packed weights have another number of elements than their shape");
  if (bits < 8) refuse_wide(weights, bits);
  const std::int64_t step = std::max(2, held()) * interleave;
  padded_depth_ = (depth + step - 1) / step * step;
  std::int64_t columns = 0;
  for (int b = 0; b < blocks(); ++b) columns += width(b);
  bytes_.assign(static_cast<std::size_t>(columns * padded_depth_ * bits / 8), bits == 2 ? kPairsOfZero : 0);
  for (int output = 0; output < outputs; ++output)
    for (std::int64_t k = 0; k < depth; ++k) {
      const std::int8_t weight = weights[static_cast<std::size_t>(output * depth + k)];
      std::uint8_t& byte = bytes_[static_cast<std::size_t>(place(output, k))];
      const int field = (1 << bits) - 1;
      const int stored = (bits == 2 ? weight + 2 : weight) & field;
      byte = static_cast<std::uint8_t>((byte & ~(field << shift(k))) | stored << shift(k));
    }
}

int PackedMatrix::width(int block) const { return (used(block) + kStep - 1) / kStep * kStep; }

int PackedMatrix::used(int block) const { return std::min(kBlock, outputs_ - block * kBlock); }

const std::uint8_t* PackedMatrix::block(int block) const {
  return bytes_.data() + std::int64_t{block} * kBlock * padded_depth_ * bits_ / 8;
}

std::int64_t PackedMatrix::place(int output, std::int64_t k) const {
  const int at = output / kBlock;
  const std::int64_t group = k / (held() * interleave_);
  return std::int64_t{at} * kBlock * padded_depth_ * bits_ / 8 +
         (group * width(at) + output % kBlock) * interleave_ + k % interleave_;
}

int PackedMatrix::shift(std::int64_t k) const { return static_cast<int>(k / interleave_ % held()) * bits_; }

std::vector<std::int8_t> PackedMatrix::unpack() const {
  std::vector<std::int8_t> weights(static_cast<std::size_t>(outputs_ * depth_));
  for (int output = 0; output < outputs_; ++output)
    for (std::int64_t k = 0; k < depth_; ++k) {
      const std::uint8_t byte = bytes_[static_cast<std::size_t>(place(output, k))];
      const int stored = byte >> shift(k);
      weights[static_cast<std::size_t>(output * depth_ + k)] =
          bits_ == 8   ? static_cast<std::int8_t>(stored)
          : bits_ == 4 ? signed_nibble(stored)
                       : static_cast<std::int8_t>((stored & 3) - 2);
    }
  return weights;
}

}  // namespace bitsmith::quant
