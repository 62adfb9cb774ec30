#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// Two output rows, or one, of 32 channels of a 3x3 depthwise convolution.
struct Depthwise3x3Rows {
  static constexpr int kChannels = 32, kTaps = 4;

  const std::uint8_t*
      in[kTaps];  ///< rows of the image, at its first pixel; one output row does not need the last
  const std::uint8_t* outside;  ///< 32 activations of 0: a pixel left or right of the image
  std::int64_t pixel;           ///< bytes from one pixel to the next, in and out
  int width, pad, outputs;      ///< pixels of a row, of the border on its left, of an output row

  const std::int8_t* weights;  ///< [output row][kernel column][channel][row]: 0 where a row is not under it
  const std::int32_t* correction;  ///< where sums start
  const float *offset, *multiplier;
  int low, high;         ///< of outputs, within their type
  std::uint8_t* out[2];  ///< rows of the output
};

/// Exact sums, finished while they are in registers: (sum + offset) * multiplier, rounded half to even,
/// clamped. What is rounded must fit 32 bits. AVX-512 with VNNI only.
struct Depthwise3x3Kernels {
  using Convolve = void(const Depthwise3x3Rows& rows);
  struct Forms {
    Convolve *u8_to_u8, *u8_to_s8, *s8_to_u8, *s8_to_s8;
  };
  Forms two_rows, one_row;  ///< stride 1 along a row; two rows: also across rows
  Forms strided;            ///< one row, stride 2 along it
};

namespace avx512 {
extern const Depthwise3x3Kernels depthwise_3x3_kernels;
}

}  // namespace bitsmith::quant
