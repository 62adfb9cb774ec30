#include "quant/calibrated_range.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/finite.hpp"
#include "quant/thresholds.hpp"

namespace bitsmith::quant {
namespace {

/// numpy's 'linear' quantile: at place (n - 1) * share of the sorted values.
float quantile(std::vector<float>& x, double share) {
  const double place = static_cast<double>(x.size() - 1) * share;
  const auto below = x.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(x.begin(), below, x.end());
  if (below + 1 == x.end()) return *below;
  const double low = static_cast<double>(*below);
  const double high = static_cast<double>(*std::min_element(below + 1, x.end()));
  return static_cast<float>(low + (high - low) * (place - std::floor(place)));
}

std::vector<float> magnitudes_of(std::span<const float> x, bool is_signed) {
  std::vector<float> out;
  out.reserve(x.size());
  for (float v : x)
    if (is_signed || v >= 0) out.push_back(std::abs(v));
  return out;
}

std::vector<double> histogram_of(std::span<const float> magnitudes, float max, int bins) {
  std::vector<double> counts(static_cast<std::size_t>(bins));
  for (float v : magnitudes) {
    const double place = static_cast<double>(v) / static_cast<double>(max) * bins;
    ++counts[static_cast<std::size_t>(std::min(place, bins - 1.0))];
  }
  return counts;
}

float threshold_on_histogram(std::span<const float> magnitudes, float max, Integers integers,
                             const CalibrationMethod& method) {
  int bins = method.bins;
  if (method.kind == Calibration::kl_haq) {
    if (integers.bits > kHaqMostBits) return max;
    bins = haq_bins(static_cast<std::int64_t>(magnitudes.size()), *std::ranges::min_element(magnitudes), max);
    bins = std::min(bins, std::max(method.bins, 4096));  // numpy has no such limit; each costs bins^2 steps
  }
  const std::vector<double> counts = histogram_of(magnitudes, max, bins);
  const HistogramView histogram{counts, static_cast<double>(max) / bins, max};
  return method.kind == Calibration::kl_haq ? kl_haq_threshold(histogram, integers.bits)
                                            : kl_threshold(histogram, range_of(integers));
}

float symmetric_threshold(std::span<const float> x, float max, Integers integers,
                          const CalibrationMethod& method) {
  if (is_mse(method.kind)) {
    const IntegerRange range = range_of(integers);
    return best_threshold(max, method.kind == Calibration::mse_fine, [&](float threshold) {
      return quantization_error(x.data(), nullptr, static_cast<std::int64_t>(x.size()),
                                scale_of_threshold(threshold, range), range.low, range.high);
    });
  }
  std::vector<float> magnitudes = magnitudes_of(x, integers.is_signed);
  if (method.kind == Calibration::octav)
    return octav_threshold(magnitudes, integers.bits, integers.is_signed);
  if (method.kind == Calibration::percentile) {
    const float kept = quantile(magnitudes, method.percentile / 100);
    return kept > 0 ? kept : max;
  }
  return threshold_on_histogram(magnitudes, max, integers, method);
}

ValueRange affine_range(std::span<const float> x, ValueRange whole, Integers integers,
                        const CalibrationMethod& method) {
  if (method.kind == Calibration::percentile) {
    std::vector<float> values(x.begin(), x.end());
    const ValueRange kept{std::min(quantile(values, 1 - method.percentile / 100), 0.0f),
                          std::max(quantile(values, method.percentile / 100), 0.0f)};
    return kept == ValueRange{} ? whole : kept;
  }
  return shrunk_by_error(whole, range_of(integers), method.kind == Calibration::mse_fine, x, {});
}

}  // namespace

IntegerRange range_of(Integers integers) {
  const bool narrow = integers.is_signed && !integers.affine;
  base::require(integers.bits >= (narrow ? 2 : 1) && integers.bits <= 16,
                "integers of 2..16 bits signed, 1..16 unsigned");
  const int half = 1 << (integers.bits - 1);
  if (!integers.is_signed) return {0, 2 * half - 1};
  return {narrow ? -(half - 1) : -half, half - 1};
}

void require_zero_point(Calibration kind, std::string_view name) {
  if (!calibration_row(kind).symmetric_only) return;
  std::vector<std::string> allowed;
  for (const CalibrationRow& row : calibration_methods())
    if (!row.symmetric_only) allowed.emplace_back(row.name);
  throw base::UserError(fmt::format("{}: calibration '{}' knows no zero point; allowed here: {}", name,
                                    calibration_name(kind), base::join_names(allowed)));
}

ValueRange shrunk_by_error(ValueRange whole, IntegerRange integers, bool fine, std::span<const float> x,
                           std::span<const float> weights) {
  const auto shrunk = [&](float share) { return ValueRange{whole.low * share, whole.high * share}; };
  return shrunk(best_threshold(1, fine, [&](float share) {
    const auto [scale, zero] = affine_parameters(shrunk(share), integers);
    // round(x / scale) + zero within the integers is round(x / scale) within them less zero.
    return quantization_error(x.data(), weights.empty() ? nullptr : weights.data(),
                              static_cast<std::int64_t>(x.size()), scale, integers.low - zero,
                              integers.high - zero);
  }));
}

float full_range_threshold(std::span<const float> x, int bits, bool fine, std::string_view name) {
  const MinMax seen = finite_min_max(x, name, "values");
  const int half = 1 << (bits - 1);
  const float steps = static_cast<float>(half) - 0.5f;
  return best_threshold(std::max(-seen.min, seen.max), fine, [&](float threshold) {
    return quantization_error(x.data(), nullptr, static_cast<std::int64_t>(x.size()), threshold / steps,
                              -half, half - 1);
  });
}

ValueRange calibrated_range(std::span<const float> x, Integers integers, const CalibrationMethod& method,
                            std::string_view name) {
  base::require(!x.empty(), "calibrated_range: nothing to look at");
  range_of(integers);
  if (integers.affine) require_zero_point(method.kind, name);

  const MinMax seen = finite_min_max(x, name, "values");
  const ValueRange whole{std::min(seen.min, 0.0f), std::max(seen.max, 0.0f)};
  const bool own = method.kind == Calibration::minmax || method.kind == Calibration::ema;
  if (integers.affine) return own || whole == ValueRange{} ? whole : affine_range(x, whole, integers, method);

  const float max = integers.is_signed ? std::max(-whole.low, whole.high) : whole.high;
  const float threshold = own || max == 0 ? max : symmetric_threshold(x, max, integers, method);
  return {integers.is_signed ? -threshold : 0.0f, threshold};
}

}  // namespace bitsmith::quant
