#include "quant/weight_scales.hpp"

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/calibrated_range.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/finite.hpp"
#include "quant/thresholds.hpp"

namespace bitsmith::quant {
namespace {

/// The share of every part's largest magnitude that kl keeps.
float shared_kl_threshold(std::span<const float> weights, std::span<const float> largest, int most_bins,
                          IntegerRange range) {
  int bins = 256;  // at least 16 weights a bin on average, where there are that many
  while (bins < most_bins && static_cast<std::size_t>(bins) * 32 <= weights.size()) bins *= 2;
  std::vector<double> counts(static_cast<std::size_t>(bins));
  const std::size_t each = weights.size() / largest.size();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float max = largest[i / each];
    if (max > 0)
      ++counts[static_cast<std::size_t>(
          std::min(std::abs(weights[i]) / max * static_cast<float>(bins), static_cast<float>(bins - 1)))];
  }
  return kl_threshold({counts, 1.0 / bins, 1.0f}, range);
}

}  // namespace

std::vector<float> weight_scales(std::span<const float> weights, int channels, int bits,
                                 Granularity granularity, const CalibrationMethod& method,
                                 std::string_view name) {
  base::require(calibration_row(method.kind).at_once, "weights are seen once: no moving average");
  const IntegerRange range = integer_range(bits, true);
  const std::size_t parts = granularity == Granularity::channel ? static_cast<std::size_t>(channels) : 1;
  base::require(parts > 0 && weights.size() % parts == 0, "weights must divide into equal channels");
  const std::size_t each = weights.size() / parts;

  finite_min_max(weights, name, "weights");
  const Calibration own = method.kind == Calibration::kl ? Calibration::minmax : method.kind;
  std::vector<float> thresholds;
  for (std::size_t c = 0; c < parts; ++c)
    thresholds.push_back(calibrated_range(weights.subspan(c * each, each), {.bits = bits},
                                          {own, method.percentile, method.bins}, name)
                             .high);
  if (method.kind == Calibration::kl) {
    const float kept = shared_kl_threshold(weights, thresholds, method.bins, range);
    for (float& threshold : thresholds) threshold *= kept;
  }
  for (float& threshold : thresholds) threshold = scale_of_threshold(threshold, range);
  return thresholds;
}

}  // namespace bitsmith::quant
