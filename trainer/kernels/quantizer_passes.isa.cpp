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

struct Term {
  float step, shift;
};

inline Term step_term(float x, float scale, float offset, float low, float high, float& d) {
  const float v = number((x - offset) / scale), c = clamped(v, low, high);
  const bool inside = c == v;
  const float factor = inside ? rounded(c) - v : c;
  const Term term{d * factor, inside ? 0.0f : d};
  d = inside ? d : 0.0f;
  return term;
}

void step_backward(const float* x, std::int64_t n, float scale, float offset, float low, float high, float* d,
                   double* step, double* shift) {
  double steps[kLanes] = {}, shifts[kLanes] = {};
  const std::int64_t whole = n / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes)
    for (int j = 0; j < kLanes; ++j) {
      const Term term = step_term(x[i + j], scale, offset, low, high, d[i + j]);
      steps[j] += static_cast<double>(term.step);
      shifts[j] += static_cast<double>(term.shift);
    }
  for (std::int64_t i = whole; i < n; ++i) {
    const Term term = step_term(x[i], scale, offset, low, high, d[i]);
    steps[i - whole] += static_cast<double>(term.step);
    shifts[i - whole] += static_cast<double>(term.shift);
  }
  for (int j = 0; j < kLanes; ++j) {
    *step += steps[j];
    *shift += shifts[j];
  }
}

void clip_backward(const float* x, std::int64_t n, float low, float high, float* d, double* above,
                   double* below) {
  double tops[kLanes] = {}, bottoms[kLanes] = {};
  const auto one = [&](std::int64_t i, int j) {
    const float v = number(x[i]), g = d[i];
    tops[j] += static_cast<double>(v >= high ? g : 0.0f);
    bottoms[j] += static_cast<double>(v <= low ? g : 0.0f);
    d[i] = (v > low) & (v < high) ? g : 0.0f;
  };
  const std::int64_t whole = n / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes)
    for (int j = 0; j < kLanes; ++j) one(i + j, j);
  for (std::int64_t i = whole; i < n; ++i) one(i, static_cast<int>(i - whole));
  for (int j = 0; j < kLanes; ++j) {
    *above += tops[j];
    *below += bottoms[j];
  }
}

void two_levels(const float* x, std::int64_t n, float threshold, float low, float high, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = number(x[i]) >= threshold ? high : low;
}

}  // namespace

extern const QuantizerPasses quantizer_passes;
const QuantizerPasses quantizer_passes = {offset_quantize, step_backward, clip_backward, two_levels};

}  // namespace bitsmith::trainer::BITSMITH_ISA
