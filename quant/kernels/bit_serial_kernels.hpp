#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// One sweep over a row's bits: a digit of the weights with a plane of the activations. Before it, the sums
/// so far are negated if `negate` and doubled `doublings` times.
struct BitSerialPass {
  std::int64_t weights;      ///< where the digit starts in a block of weights, in 32-bit words
  std::int64_t activations;  ///< where the plane starts behind a row, in bytes
  int doublings;
  bool negate;
};

/// How rows of bits and blocks of weights lie in memory. A row is `word_count` 32-bit words at byte offsets
/// `words` from its start, not aligned. A block of weights of 16 * vectors outputs is
/// [digit][word][vector][form][16 outputs] in 32-bit words.
struct BitSerialProduct {
  const BitSerialPass* passes;
  int pass_count;
  const std::int64_t* words;
  int word_count;
  /// 1: a weight is +1 or -1, stored as a bit that tells -1; every bit of the words is a weight's.
  /// 2: a digit is -1, 0 or +1: a word that tells nonzero digits, then one that tells -1.
  int forms;
};

/// The inner loops of bit_serial_layer.cpp.
///
/// With n the word of nonzero digits and m that of negative ones, a bit x times a digit is
/// ((x & n) ^ m) - m, so a plane times a digit costs one population count, and the sum of m is a constant.
struct BitSerialKernels {
  int max_rows;  ///< of one multiply

  /// Planes 0 .. planes - 1 (at most 4) of n bytes, plane p to `to` + p * stride: bit i % 8 of byte i / 8 is
  /// bit p of byte i. Writes (n + 7) / 8 bytes a plane, spare bits 0.
  void (*pack)(const std::uint8_t* from, std::int64_t n, int planes, std::int64_t stride, std::uint8_t* to);
  /// sums[row][16 * vectors] = the passes' sums of popcount((x & n) ^ m); vectors is 1 or 2.
  void (*multiply)(const BitSerialProduct& product, const std::uint8_t* const* rows, int row_count,
                   const std::uint32_t* weights, int vectors, std::int32_t* sums);
};

namespace scalar {
extern const BitSerialKernels bit_serial_kernels;
}
namespace avx2 {
extern const BitSerialKernels bit_serial_kernels;
}
namespace avx512 {
extern const BitSerialKernels bit_serial_kernels;
}

}  // namespace bitsmith::quant
