#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// The element loops behind quant/fake_quantize.hpp and quant/calibration.hpp; contracts there.
struct FakeQuantizeKernels {
  void (*fake_quantize)(const float* x, std::int64_t n, float scale, float lo, float hi, float* y);
  void (*backward)(const float* x, std::int64_t n, float scale, float lo, float hi, const float* dy,
                   float* dx);
  void (*quantize_u8)(const float* x, std::int64_t n, float scale, float lo, float hi, std::uint8_t* q);
  void (*quantize_s8)(const float* x, std::int64_t n, float scale, float lo, float hi, std::int8_t* q);
  void (*dequantize_u8)(const std::uint8_t* q, std::int64_t n, float scale, float* y);
  void (*dequantize_s8)(const std::int8_t* q, std::int64_t n, float scale, float* y);
  void (*min_max)(const float* x, std::int64_t n, float* min, float* max);  ///< n >= 1; NaN sets both to NaN
  double (*error)(const float* x, const float* weight, std::int64_t n, float scale, float lo, float hi);
  /// index[i] = min(|x[i]| * inverse_width, bins - 1), plus `bins` where x[i] < 0; n <= 1024, x finite.
  void (*bin_indices)(const float* x, std::int64_t n, float inverse_width, int bins, std::int32_t* index);
};

namespace scalar {
extern const FakeQuantizeKernels fake_quantize_kernels;
}
namespace avx2 {
extern const FakeQuantizeKernels fake_quantize_kernels;
}
namespace avx512 {
extern const FakeQuantizeKernels fake_quantize_kernels;
}

}  // namespace bitsmith::quant
