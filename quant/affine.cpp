#include "quant/affine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/base/error.hpp"

namespace bitsmith::quant {
namespace {

double step_of(ValueRange range, IntegerRange integers) {
  base::require(std::isfinite(range.low) && std::isfinite(range.high) && range.low <= 0 && range.high >= 0,
                "an affine range is finite and contains zero");
  base::require(integers.low < integers.high, "affine integers: at least two");
  const double step = (static_cast<double>(range.high) - static_cast<double>(range.low)) /
                      (static_cast<double>(integers.high) - integers.low);
  return std::clamp(step, static_cast<double>(std::numeric_limits<float>::min()),
                    static_cast<double>(std::numeric_limits<float>::max()));
}

AffineParameters rounded(double scale, double zero_point, IntegerRange integers) {
  const double inside = std::clamp(std::nearbyint(zero_point), static_cast<double>(integers.low),
                                   static_cast<double>(integers.high));
  return {static_cast<float>(scale), static_cast<int>(inside)};
}

}  // namespace

AffineParameters affine_parameters(ValueRange range, IntegerRange integers) {
  // The scale that decoding uses, not the one before it is rounded to float.
  const double scale = static_cast<double>(static_cast<float>(step_of(range, integers)));
  if (range == ValueRange{}) return {1, integers.low};
  return rounded(scale, integers.low - std::nearbyint(static_cast<double>(range.low) / scale), integers);
}

AffineParameters affine_parameters_from_nearer_end(ValueRange range, IntegerRange integers) {
  const double scale = step_of(range, integers);
  if (range == ValueRange{}) return {1, integers.low};
  const double low = static_cast<double>(range.low) / scale, high = static_cast<double>(range.high) / scale;
  const bool from_low = std::abs(integers.low) + std::abs(low) < std::abs(integers.high) + std::abs(high);
  return rounded(scale, from_low ? integers.low - low : integers.high - high, integers);
}

}  // namespace bitsmith::quant
