#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// Some outputs of a convolution: pixels times a block of up to 64 channels.
struct DirectTiles {
  /// A window's activations (u8), run by run as they lie in the image: pixel p's run r starts at
  /// in + pixel[p] + run[r]. A run is `quads` groups of four bytes; what it reads beyond the window meets
  /// weights 0.
  const std::uint8_t* in;
  const std::int64_t* pixel;
  int pixels;
  const std::int64_t* run;
  int runs, quads;

  const std::int8_t* weights;      ///< [run][quad][vectors * 16 channels][4]
  int vectors;                     ///< of 16 channels, 1 to 4
  int channels;                    ///< that are there: at most vectors * 16
  const std::int32_t* correction;  ///< where sums start; this and the next two hold vectors * 16 numbers
  const float *offset, *multiplier;

  float low, high;          ///< of f32 outputs
  int low_byte, high_byte;  ///< of bytes, within their type
  std::uint8_t* out;        ///< the first pixel's first channel
  std::int64_t out_pixel;   ///< bytes
};

/// Exact sums, finished while they are in registers: (sum + offset) * multiplier, for bytes rounded half to
/// even, which must fit 32 bits, then clamped. AVX-512 with VNNI only.
struct DirectKernels {
  using Convolve = void(const DirectTiles& tiles);
  Convolve *to_f32, *to_u8, *to_s8;
};

namespace avx512 {
extern const DirectKernels direct_kernels;
}

}  // namespace bitsmith::quant
