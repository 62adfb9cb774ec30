#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// The inner loops of weight_only_layer.cpp. Blocks are those of PackedMatrix with interleave 1; depth is
/// even, width a multiple of 16, at most 64.
struct WeightOnlyKernels {
  int max_rows;  ///< of one multiply

  /// A part of a block, starting at an even depth, as floats [depth][width].
  void (*decode_int8)(const std::uint8_t* block, std::int64_t depth, int width, float* tile);
  void (*decode_int4)(const std::uint8_t* block, std::int64_t depth, int width, float* tile);
  /// sums[row][width] += rows * tile
  void (*multiply)(const float* rows, std::int64_t stride, int row_count, const float* tile,
                   std::int64_t depth, int width, float* sums);
  /// sums[width] = one row * a whole block, without a tile; null where it is not worth it.
  void (*multiply_int8)(const float* row, const std::uint8_t* block, std::int64_t depth, int width,
                        float* sums);
  void (*multiply_int4)(const float* row, const std::uint8_t* block, std::int64_t depth, int width,
                        float* sums);
  /// sums[c] += x[c] * weights[c]: one tap of a depthwise convolution
  void (*accumulate)(const float* x, const std::int8_t* weights, int n, float* sums);
  /// out[c] = clamp((sums[c] + offset[c]) * multiplier[c], low, high)
  void (*finish)(const float* sums, const float* offset, const float* multiplier, float low, float high,
                 int n, float* out);
};

namespace scalar {
extern const WeightOnlyKernels weight_only_kernels;
}
namespace avx2 {
extern const WeightOnlyKernels weight_only_kernels;
}
namespace avx512 {
extern const WeightOnlyKernels weight_only_kernels;
}

}  // namespace bitsmith::quant
