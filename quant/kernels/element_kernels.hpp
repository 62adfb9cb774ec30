#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// The element loops of step_kernels.cpp. Outputs may be inputs.
struct ElementKernels {
  /// y[i] = clamp(x[i], 0, high)
  void (*relu)(const float* x, std::int64_t n, float high, float* y);
  /// y[i] = clamp(a[i] + b[i], low, high)
  void (*add)(const float* a, const float* b, std::int64_t n, float low, float high, float* y);
  /// y[p][c] = multiplier[c] * x[p][c] + bias[c]
  void (*batch_norm)(const float* x, std::int64_t pixels, int channels, const float* multiplier,
                     const float* bias, float* y);
  void (*max_f32)(const void* x, int n, void* y);  ///< y[c] = max(y[c], x[c])
  void (*max_u8)(const void* x, int n, void* y);
  void (*max_s8)(const void* x, int n, void* y);
  void (*sum)(const float* x, int n, float* y);  ///< y[c] += x[c]
  void (*sum_u8)(const std::uint8_t* x, int n, std::int32_t* y);
  void (*sum_s8)(const std::int8_t* x, int n, std::int32_t* y);
  void (*scale_sums)(const std::int32_t* x, int n, float factor, float* y);  ///< y[c] = x[c] * factor
  void (*scale)(const float* x, int n, float factor, float* y);
};

namespace scalar {
extern const ElementKernels element_kernels;
}
namespace avx2 {
extern const ElementKernels element_kernels;
}
namespace avx512 {
extern const ElementKernels element_kernels;
}

}  // namespace bitsmith::quant
