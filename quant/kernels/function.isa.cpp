// Plain loops that the compiler vectorises, one for each function.

#include "quant/kernels/function_kernels.hpp"

#include <cstdint>

#include "quant/kernels/exponential.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

#define BITSMITH_INLINE __attribute__((always_inline)) inline

BITSMITH_INLINE float cut(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}
BITSMITH_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

/// The Taylor series where 2 Phi - 1 would cancel.
BITSMITH_INLINE float error_function(float x) {
  const float square = x * x;
  const float near = 1.12837917f * x * (1.0f - square * (1.0f / 3 - square * (0.1f - square * (1.0f / 42))));
  const float far = 2.0f * normal(x * 1.41421356f).share - 1.0f;
  return square < 0.09f ? near : far;
}

template <typename Value>
BITSMITH_INLINE void each(std::int64_t n, float* y, const Value& value) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = value(i);
}

void forward(Function function, float alpha, float beta, const float* x, std::int64_t n, float* y) {
  switch (function) {
    case Function::sigmoid:
      return each(n, y, [&](std::int64_t i) { return sigmoid(x[i]); });
    case Function::hard_sigmoid:
      return each(n, y, [&](std::int64_t i) { return cut(alpha * x[i] + beta, 0.0f, 1.0f); });
    case Function::hard_swish:
      return each(n, y, [&](std::int64_t i) { return x[i] * cut(x[i] * (1.0f / 6) + 0.5f, 0.0f, 1.0f); });
    case Function::silu:
      return each(n, y, [&](std::int64_t i) { return x[i] * sigmoid(x[i]); });
    case Function::leaky_relu:
      return each(n, y, [&](std::int64_t i) { return x[i] < 0.0f ? alpha * x[i] : x[i]; });
    case Function::clip:
      return each(n, y, [&](std::int64_t i) { return cut(x[i], alpha, beta); });
    case Function::erf:
      return each(n, y, [&](std::int64_t i) { return error_function(x[i]); });
  }
}

void backward(Function function, float alpha, float beta, const float* x, const float* dy, std::int64_t n,
              float* dx) {
  switch (function) {
    case Function::sigmoid:
      return each(n, dx, [&](std::int64_t i) {
        const float s = sigmoid(x[i]);
        return dy[i] * (s * (1.0f - s));
      });
    case Function::hard_sigmoid:
      return each(n, dx, [&](std::int64_t i) {
        const float v = alpha * x[i] + beta;
        return v > 0.0f && v < 1.0f ? dy[i] * alpha : 0.0f;
      });
    case Function::hard_swish:
      return each(n, dx, [&](std::int64_t i) {
        const float inside = dy[i] * (x[i] * (1.0f / 3) + 0.5f);
        const float above = x[i] >= 3.0f ? dy[i] : inside;
        return x[i] <= -3.0f ? 0.0f : above;
      });
    case Function::silu:
      return each(n, dx, [&](std::int64_t i) {
        const float s = sigmoid(x[i]);
        return dy[i] * (s * (1.0f + x[i] * (1.0f - s)));
      });
    case Function::leaky_relu:
      return each(n, dx, [&](std::int64_t i) { return x[i] > 0.0f ? dy[i] : alpha * dy[i]; });
    case Function::clip:
      return each(n, dx, [&](std::int64_t i) { return x[i] > alpha && x[i] < beta ? dy[i] : 0.0f; });
    case Function::erf:
      return each(n, dx, [&](std::int64_t i) { return dy[i] * (1.12837917f * exponential(-x[i] * x[i])); });
  }
}

void multiply(const float* a, const float* b, std::int64_t n, float* y) {
  each(n, y, [&](std::int64_t i) { return a[i] * b[i]; });
}

void gate(const float* x, const float* gates, std::int64_t pixels, int channels, float* y) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels)
    each(channels, y, [&](std::int64_t c) { return x[c] * gates[c]; });
}

void prelu(const float* x, const float* slope, std::int64_t pixels, int channels, float* y) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels)
    each(channels, y, [&](std::int64_t c) { return x[c] < 0.0f ? x[c] * slope[c] : x[c]; });
}

}  // namespace

extern const FunctionKernels function_kernels;
const FunctionKernels function_kernels = {forward, backward, multiply, gate, prelu};

}  // namespace bitsmith::quant::BITSMITH_ISA
