#pragma once

#include <cstdint>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/kernels/bit_planes.hpp"

namespace bitsmith::quant {

/// One group's weights of w bits as digits: binary weights (-1, +1) are one digit of one form where
/// `binary`; others, narrow (-(2^(w-1)-1) .. 2^(w-1)-1), are w - 1 digits of -1, 0 and +1 with the weight's
/// sign. Laid out in blocks for BitSerialKernels.
class BitDigits {
 public:
  static constexpr int kBlock = 32;

  /// `weights` are one group's, O,I,H,W; `digits` of them suffice.
  BitDigits(const std::int8_t* weights, const RowGeometry& geometry, const BitPlanes& planes, int digits,
            bool binary);

  int forms() const { return forms_; }
  std::int64_t digit_words(int vectors) const { return words_ * 16 * vectors * forms_; }
  int blocks() const { return (outputs_ + kBlock - 1) / kBlock; }
  int used(int block) const;     ///< outputs in the block
  int vectors(int block) const;  ///< of 16 outputs: 1 or 2
  const std::uint32_t* block(int block) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(4 * words_of_all_.size()); }

  /// For each output the sum of its negative digits' magnitudes: what one plane of activations counts too
  /// much.
  const std::vector<std::int32_t>& excess() const { return excess_; }

 private:
  std::int64_t begin(int block) const;

  int outputs_, forms_, digits_;
  std::int64_t words_;  ///< of a row
  base::AlignedVector<std::uint32_t> words_of_all_;
  std::vector<std::int32_t> excess_;
};

}  // namespace bitsmith::quant
