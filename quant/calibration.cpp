#include "quant/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/fake_quantize_kernels.hpp"
#include "quant/thresholds.hpp"

namespace bitsmith::quant {
namespace {

constexpr double kEmaRate = 0.01;      // torch's MovingAverageMinMaxObserver
constexpr int kFirstBins = 2048;       // of the range that the first batch with a non-zero value spans
constexpr double kLeastWidth = 1e-35;  // its inverse is still a finite float
constexpr std::size_t kBlock = 1024;

void refuse_non_finite(std::span<const float> x, const MinMax& range, std::string_view name,
                       const char* what) {
  if (std::isfinite(range.min) && std::isfinite(range.max)) return;
  std::size_t at = 0;
  while (at + 1 < x.size() && std::isfinite(x[at])) ++at;
  throw base::UserError(fmt::format("{}: {} hold {} at element {} of {}; quantization needs finite numbers",
                                    name, what, std::isnan(x[at]) ? "NaN" : "infinity", at, x.size()));
}

}  // namespace

ActivationObserver::ActivationObserver(std::string name) : name_(std::move(name)) {}

void ActivationObserver::observe(std::span<const float> batch) {
  observe_part(batch);
  end_batch();
}

void ActivationObserver::observe_part(std::span<const float> part) {
  if (part.empty()) return;
  const MinMax seen = min_max(part.data(), static_cast<std::int64_t>(part.size()));
  refuse_non_finite(part, seen, name_, "activations");
  const float low = std::min(seen.min, 0.0f), high = std::max(seen.max, 0.0f);
  batch_min_ = in_batch_ ? std::min(batch_min_, low) : low;
  batch_max_ = in_batch_ ? std::max(batch_max_, high) : high;
  in_batch_ = true;
  min_ = std::min(min_, low);
  max_ = std::max(max_, high);
  observed_ += static_cast<std::int64_t>(part.size());
  make_room(std::max(-low, high));
  if (width_ > 0)
    count(part);
  else
    zeros_ += static_cast<std::int64_t>(part.size());
}

void ActivationObserver::end_batch() {
  if (!in_batch_) return;
  const double rate = first_batch_ ? 1.0 : kEmaRate;
  ema_min_ += rate * (static_cast<double>(batch_min_) - ema_min_);
  ema_max_ += rate * (static_cast<double>(batch_max_) - ema_max_);
  first_batch_ = in_batch_ = false;
}

void ActivationObserver::make_room(float magnitude) {
  if (magnitude == 0) return;
  if (width_ == 0) {
    width_ = std::max(static_cast<double>(magnitude) / kFirstBins, kLeastWidth);
    counts_.assign(2 * kBins, 0);
    counts_[0] = zeros_;
  }
  while (static_cast<double>(magnitude) > width_ * kBins) {
    width_ *= 2;
    for (int side = 0; side < 2; ++side) {
      std::int64_t* bins = counts_.data() + side * kBins;
      for (int i = 0; i < kBins / 2; ++i) bins[i] = bins[2 * i] + bins[2 * i + 1];
      std::fill(bins + kBins / 2, bins + kBins, 0);
    }
  }
}

void ActivationObserver::count(std::span<const float> batch) {
  static const FakeQuantizeKernels& kernels =
      pick_isa(base::selected_isa(), scalar::fake_quantize_kernels, avx2::fake_quantize_kernels,
               avx512::fake_quantize_kernels);
  const float inverse = static_cast<float>(1 / width_);
  std::array<std::int32_t, kBlock> index;
  for (std::size_t from = 0; from < batch.size(); from += kBlock) {
    const std::size_t n = std::min(kBlock, batch.size() - from);
    kernels.bin_indices(batch.data() + from, static_cast<std::int64_t>(n), inverse, kBins, index.data());
    for (std::size_t i = 0; i < n; ++i) ++counts_[static_cast<std::size_t>(index[i])];
  }
}

float ActivationObserver::threshold(int bits, bool is_signed, Calibration method) const {
  base::require(observed_ > 0 && !in_batch_, "a threshold was asked for before a batch was observed whole");
  const IntegerRange range = integer_range(bits, is_signed);
  if (method == Calibration::ema)
    return static_cast<float>(is_signed ? std::max(-ema_min_, ema_max_) : ema_max_);
  const float largest = is_signed ? std::max(-min_, max_) : max_;
  if (method == Calibration::minmax || largest == 0) return largest;

  const std::size_t bins =
      std::min<std::size_t>(kBins, static_cast<std::size_t>(static_cast<double>(largest) / width_) + 1);
  std::vector<double> counts(bins);
  for (std::size_t i = 0; i < bins; ++i) {
    counts[i] = static_cast<double>(counts_[i]);
    if (is_signed) counts[i] += static_cast<double>(counts_[kBins + i]);
  }
  // The largest value may open a bin of its own by an ulp; it belongs to the one below.
  if (bins > 1 && static_cast<double>(largest) <= static_cast<double>(bins - 1) * width_ * (1 + 1e-6)) {
    counts[bins - 2] += counts[bins - 1];
    counts.pop_back();
  }
  const HistogramView histogram{counts, width_, largest};
  return method == Calibration::mse ? mse_threshold(histogram, range) : kl_threshold(histogram, range);
}

std::vector<float> weight_scales(std::span<const float> weights, int channels, int bits,
                                 Granularity granularity, Calibration method, std::string_view name) {
  base::require(method != Calibration::ema, "weights are seen once: no moving average");
  const IntegerRange range = integer_range(bits, true);
  const std::size_t parts = granularity == Granularity::channel ? static_cast<std::size_t>(channels) : 1;
  base::require(parts > 0 && weights.size() % parts == 0, "weights must divide into equal channels");
  const std::size_t each = weights.size() / parts;
  const auto part = [&](std::size_t c) { return weights.subspan(c * each, each); };

  refuse_non_finite(weights, min_max(weights.data(), static_cast<std::int64_t>(weights.size())), name,
                    "weights");
  std::vector<float> thresholds(parts);
  for (std::size_t c = 0; c < parts; ++c)
    thresholds[c] = max_abs(part(c).data(), static_cast<std::int64_t>(each));

  if (method == Calibration::mse) {
    for (std::size_t c = 0; c < parts; ++c)
      thresholds[c] = best_threshold(thresholds[c], [&](float threshold) {
        return quantization_error(part(c).data(), nullptr, static_cast<std::int64_t>(each),
                                  scale_of_threshold(threshold, range), range.low, range.high);
      });
  } else if (method == Calibration::kl) {
    int bins = 256;  // at least 16 weights a bin on average, where there are that many
    while (bins < kFirstBins && static_cast<std::size_t>(bins) * 32 <= weights.size()) bins *= 2;
    std::vector<double> counts(static_cast<std::size_t>(bins));
    for (std::size_t c = 0; c < parts; ++c)
      for (float w : part(c))
        if (thresholds[c] > 0)
          ++counts[static_cast<std::size_t>(std::min(std::abs(w) / thresholds[c] * static_cast<float>(bins),
                                                     static_cast<float>(bins - 1)))];
    const float kept = kl_threshold({counts, 1.0 / bins, 1.0f}, range);
    for (float& threshold : thresholds) threshold *= kept;
  }
  std::vector<float> scales(parts);
  for (std::size_t c = 0; c < parts; ++c) scales[c] = scale_of_threshold(thresholds[c], range);
  return scales;
}

std::string_view calibration_name(Calibration method) {
  switch (method) {
    case Calibration::minmax:
      return "minmax";
    case Calibration::ema:
      return "ema";
    case Calibration::mse:
      return "mse";
    case Calibration::kl:
      return "kl";
  }
  return "?";
}

}  // namespace bitsmith::quant
