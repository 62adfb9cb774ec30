#pragma once

#include <cstdint>

#include "quant/functions.hpp"

namespace bitsmith::quant {

/// The loops of element-wise functions and of products, forward and backward: training and deployed networks
/// both run them. Outputs may be inputs.
struct FunctionKernels {
  void (*forward)(Function function, float alpha, float beta, const float* x, std::int64_t n, float* y);
  /// dx = dy * the function's derivative at x. Where there is none: 0 for hard_sigmoid, hard_swish and clip
  /// outside their range and at its ends; alpha for leaky_relu at 0.
  void (*backward)(Function function, float alpha, float beta, const float* x, const float* dy,
                   std::int64_t n, float* dx);
  void (*multiply)(const float* a, const float* b, std::int64_t n, float* y);
  /// y[p][c] = x[p][c] * gate[c]
  void (*gate)(const float* x, const float* gate, std::int64_t pixels, int channels, float* y);
  /// y[p][c] = x[p][c] * (x[p][c] < 0 ? slope[c] : 1)
  void (*prelu)(const float* x, const float* slope, std::int64_t pixels, int channels, float* y);
};

/// Those of the chosen instruction set.
const FunctionKernels& function_kernels();

namespace scalar {
extern const FunctionKernels function_kernels;
}
namespace avx2 {
extern const FunctionKernels function_kernels;
}
namespace avx512 {
extern const FunctionKernels function_kernels;
}

}  // namespace bitsmith::quant
