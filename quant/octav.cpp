#include <cmath>

#include "quant/thresholds.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kSteps = 20;
constexpr double kAtRest = 1e-9;  // of s: beyond what a float tells

struct Part {
  double sum = 0, count = 0;
};

/// `above(s)`: sum and number of the magnitudes above s; `all`: number of magnitudes, zeros among them.
template <typename Above>
double iterate(const Above& above, double all, int bits, bool is_signed) {
  const double k = std::ldexp(1.0, -2 * bits) / (is_signed ? 3 : 12);
  const Part nonzero = above(0.0);
  double s = nonzero.sum / nonzero.count;
  for (int step = 0; step < kSteps; ++step) {
    const Part clipped = above(s);
    if (clipped.count == 0) break;
    const double next = clipped.sum / (k * (all - clipped.count) + clipped.count);
    const bool rests = std::abs(next - s) <= kAtRest * s;
    s = next;
    if (rests) break;
  }
  return s;
}

}  // namespace

float octav_threshold(std::span<const float> magnitudes, int bits, bool is_signed) {
  float max = 0;
  for (float x : magnitudes) max = std::max(max, x);
  if (max == 0) return 0;
  const auto above = [&](double s) {
    Part part;
    for (float x : magnitudes)
      if (static_cast<double>(x) > s) part.sum += static_cast<double>(x), ++part.count;
    return part;
  };
  return std::min(
      max, static_cast<float>(iterate(above, static_cast<double>(magnitudes.size()), bits, is_signed)));
}

float octav_threshold(const HistogramView& histogram, int bits, bool is_signed) {
  if (!tells_anything(histogram)) return histogram.max;
  double all = 0;
  for (double count : histogram.counts) all += count;
  const auto above = [&](double s) {
    Part part;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * histogram.width;
      if (centre > s) part.sum += histogram.counts[i] * centre, part.count += histogram.counts[i];
    }
    return part;
  };
  return std::min(histogram.max, static_cast<float>(iterate(above, all, bits, is_signed)));
}

}  // namespace bitsmith::quant
