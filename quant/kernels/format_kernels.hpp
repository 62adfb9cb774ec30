#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// A minifloat as loops need it; quant/formats/minifloat.hpp has the whole of it.
struct MinifloatShape {
  std::int32_t exponent_bits, mantissa_bits, bias;
  std::int32_t largest_code;  ///< without sign
  float largest;
  std::int32_t largest_exponent;
};

/// Integers q = clamp(round(x / scale) + zero_point, low, high).
struct UniformGrid {
  float scale;
  std::int32_t low, high, zero_point;
};

/// Where n elements go, and how; one of the pointers may be null.
struct FormatOutput {
  std::uint8_t* bytes = nullptr;  ///< one code each, integers in two's complement
  float* values = nullptr;        ///< what the codes decode to
  bool streams = false;           ///< values go past the caches: for what is larger than they are
};

/// The element loops behind quant/formats/fast_quantize.hpp: the reference encoders' bits (quant/formats),
/// without their generality. x is finite and not too large for the scale; while it is read, what lies `ahead`
/// elements later is fetched from memory. Functions that return a count say how many elements were clipped.
struct FormatKernels {
  /// The largest |x[i]| as the bits of a float: above 0x7f7fffff where one is NaN or infinite.
  std::uint32_t (*largest_magnitude)(const float* x, std::int64_t n);
  /// |low - zero_point| and |high - zero_point| below 2^16.
  std::int64_t (*uniform)(const float* x, std::int64_t n, std::int64_t ahead, UniformGrid grid,
                          FormatOutput out);
  std::int64_t (*minifloat)(const float* x, std::int64_t n, std::int64_t ahead, MinifloatShape shape,
                            float scale, FormatOutput out);
  /// Blocks of 32, the last one perhaps shorter, under scales 2^(scales[b] - 127). Returns -1, its work
  /// undone, where the largest number of a block is not within 2^-87 and 2^94.
  std::int64_t (*mx)(const float* x, std::int64_t n, std::int64_t ahead, MinifloatShape shape,
                     std::int32_t* scales, FormatOutput out);
  /// What was streamed before is there for all threads.
  void (*end_stream)();

  void (*uniform_values)(const std::int32_t* codes, std::int64_t n, float scale, std::int32_t zero_point,
                         float* values);
  /// Codes must be those of finite numbers: false, values undefined, where one is not.
  bool (*minifloat_values)(const std::int32_t* codes, std::int64_t n, MinifloatShape shape, float scale,
                           float* values);
  bool (*mx_values)(const std::int32_t* codes, std::int64_t n, MinifloatShape shape,
                    const std::int32_t* scales, float* values);
};

namespace scalar {
extern const FormatKernels format_kernels;
}
namespace avx2 {
extern const FormatKernels format_kernels;
}
namespace avx512 {
extern const FormatKernels format_kernels;
}

}  // namespace bitsmith::quant
