// Plain loops that the compiler vectorises for each instruction set. Products are rounded to float before
// they are summed in double, so that fused multiply-adds cannot change a sum.

#include "trainer/kernels/quantizer_passes.hpp"

#include <cstdint>

namespace bitsmith::trainer::BITSMITH_ISA {
namespace {

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even, for |v| < 2^22.
constexpr float kRounder = 12582912.0f;
constexpr int kLanes = 16;

inline float number(float v) { return v == v ? v : 0.0f; }
inline float clamped(float v, float low, float high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}
inline float rounded(float v) { return (v + kRounder) - kRounder; }

void offset_quantize(const float* x, std::int64_t n, float scale, float offset, float low, float high,
                     float* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float q = rounded(clamped(number((x[i] - offset) / scale), low, high));
    y[i] = q * scale + offset;
  }
}

/// What is summed goes through a block of floats, and selections are products with 0 and 1 (exact, fused or
/// not): so all loops vectorise.
constexpr int kBlock = 256;
struct Sums {
  double lane[kLanes] = {};

  /// `n` terms, whole rounds of lanes but for the last block.
  void add(const float* terms, int n) {
    const int whole = n / kLanes * kLanes;
    for (int i = 0; i < whole; i += kLanes)
      for (int j = 0; j < kLanes; ++j) lane[j] += static_cast<double>(terms[i + j]);
    for (int i = whole; i < n; ++i) lane[i - whole] += static_cast<double>(terms[i]);
  }
  double total() const {
    double sum = 0;
    for (int j = 0; j < kLanes; ++j) sum += lane[j];
    return sum;
  }
};

inline int block_at(std::int64_t i, std::int64_t n) {
  return static_cast<int>(n - i < kBlock ? n - i : kBlock);
}

void step_backward(const float* x, std::int64_t n, float scale, float offset, float low, float high, float* d,
                   double* step, double* shift) {
  Sums steps, shifts;
  float exact[kBlock], kept[kBlock], inside[kBlock], terms[kBlock], outside[kBlock];
  for (std::int64_t at = 0; at < n; at += kBlock) {
    const int count = block_at(at, n);
    const float* in = x + at;
    float* gradient = d + at;
    for (int i = 0; i < count; ++i) {
      const float v = number((in[i] - offset) / scale);
      exact[i] = v;
      kept[i] = clamped(v, low, high);
    }
    for (int i = 0; i < count; ++i) inside[i] = exact[i] == kept[i] ? 1.0f : 0.0f;
    for (int i = 0; i < count; ++i) {
      const float g = gradient[i], c = kept[i], in_range = inside[i], beyond = 1.0f - in_range;
      terms[i] = g * ((rounded(c) - exact[i]) * in_range + c * beyond);
      outside[i] = g * beyond;
      gradient[i] = g * in_range;
    }
    steps.add(terms, count);
    shifts.add(outside, count);
  }
  *step += steps.total();
  *shift += shifts.total();
}

void clip_backward(const float* x, std::int64_t n, float low, float high, float* d, double* above,
                   double* below) {
  Sums tops, bottoms;
  float top[kBlock], bottom[kBlock];
  for (std::int64_t at = 0; at < n; at += kBlock) {
    const int count = block_at(at, n);
    const float* in = x + at;
    float* gradient = d + at;
    for (int i = 0; i < count; ++i) {
      const float g = gradient[i], v = number(in[i]);
      const float up = v >= high ? g : 0.0f, down = v <= low ? g : 0.0f;
      top[i] = up;
      bottom[i] = down;
      gradient[i] = g - (up + down);
    }
    tops.add(top, count);
    bottoms.add(bottom, count);
  }
  *above += tops.total();
  *below += bottoms.total();
}

void two_levels(const float* x, std::int64_t n, float threshold, float low, float high, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = number(x[i]) >= threshold ? high : low;
}

}  // namespace

extern const QuantizerPasses quantizer_passes;
const QuantizerPasses quantizer_passes = {offset_quantize, step_backward, clip_backward, two_levels};

}  // namespace bitsmith::trainer::BITSMITH_ISA
