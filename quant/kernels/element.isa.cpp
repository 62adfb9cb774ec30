// Plain loops that the compiler vectorises for each instruction set.

#include "quant/kernels/element_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

inline float clamped(float v, float low, float high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}

void relu(const float* x, std::int64_t n, float high, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = clamped(x[i], 0.0f, high);
}

void add(const float* a, const float* b, std::int64_t n, float low, float high, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = clamped(a[i] + b[i], low, high);
}

void batch_norm(const float* x, std::int64_t pixels, int channels, const float* multiplier, const float* bias,
                float* y) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels)
    for (int c = 0; c < channels; ++c) y[c] = multiplier[c] * x[c] + bias[c];
}

template <typename T>
inline void max_of(const void* from, int n, void* to) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  for (int c = 0; c < n; ++c) y[c] = x[c] > y[c] ? x[c] : y[c];
}

void max_f32(const void* x, int n, void* y) { max_of<float>(x, n, y); }
void max_u8(const void* x, int n, void* y) { max_of<std::uint8_t>(x, n, y); }
void max_s8(const void* x, int n, void* y) { max_of<std::int8_t>(x, n, y); }

void sum(const float* x, int n, float* y) {
  for (int c = 0; c < n; ++c) y[c] += x[c];
}

template <typename T>
inline void sum_of(const T* x, int n, std::int32_t* y) {
  for (int c = 0; c < n; ++c) y[c] += x[c];
}

void sum_u8(const std::uint8_t* x, int n, std::int32_t* y) { sum_of(x, n, y); }
void sum_s8(const std::int8_t* x, int n, std::int32_t* y) { sum_of(x, n, y); }

void scale_sums(const std::int32_t* x, int n, float factor, float* y) {
  for (int c = 0; c < n; ++c) y[c] = static_cast<float>(x[c]) * factor;
}

void scale(const float* x, int n, float factor, float* y) {
  for (int c = 0; c < n; ++c) y[c] = x[c] * factor;
}

}  // namespace

extern const ElementKernels element_kernels;
const ElementKernels element_kernels = {relu, add,    batch_norm, max_f32,    max_u8, max_s8,
                                        sum,  sum_u8, sum_s8,     scale_sums, scale};

}  // namespace bitsmith::quant::BITSMITH_ISA
