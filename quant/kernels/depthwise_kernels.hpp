#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// The inner loops of depthwise_layer.cpp: exact sums in int32. Channels go in blocks of up to 64, `width` of
/// them, a multiple of 16. Four taps of a channel that lie below one another are four bytes in a row:
/// [channel][4].
struct DepthwiseKernels {
  static constexpr int kTaps = 4, kMostChannels = 64;

  /// Columns of the image as the product takes them: out[column][channel][tap] is byte `channel` of pixel
  /// `column` of rows[tap], xor `flip` (128: a signed byte becomes 128 more, unsigned). Pixels are `stride`
  /// bytes apart, columns of `out` are `step`; `channels` <= width are there, the others become 0.
  void (*interleave)(const std::uint8_t* const* rows, std::int64_t stride, int columns, int channels,
                     int width, std::uint8_t flip, std::uint8_t* out, std::int64_t step);
  /// sums[pixel][width] = the sum over `taps` of column[offset[tap]] * weights[tap], four products each; the
  /// column of the next pixel is `step` bytes on.
  void (*multiply)(const std::uint8_t* column, std::int64_t step, const std::int64_t* offset, int taps,
                   const std::int8_t* weights, int width, int pixels, std::int32_t* sums);
};

namespace scalar {
extern const DepthwiseKernels depthwise_kernels;
}
namespace avx2 {
extern const DepthwiseKernels depthwise_kernels;
}
namespace avx512 {
extern const DepthwiseKernels depthwise_kernels;
}

}  // namespace bitsmith::quant
