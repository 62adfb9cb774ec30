#include "trainer/ptq/clipped_normal.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitsmith::trainer::ptq {
namespace {

double density(double z) { return std::exp(-0.5 * z * z) / std::sqrt(2 * std::numbers::pi); }
/// P(x < z), exact in both tails.
double below(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

}  // namespace

double clipped_normal_mean(double mean, double deviation, double low, double high) {
  if (!(deviation > 0)) return std::clamp(mean, low, high);
  const double a = (low - mean) / deviation, b = (high - mean) / deviation;
  double result = mean * (below(b) - below(a)) + deviation * (density(a) - density(b));
  if (std::isfinite(low)) result += low * below(a);
  if (std::isfinite(high)) result += high * below(-b);
  return result;
}

}  // namespace bitsmith::trainer::ptq
