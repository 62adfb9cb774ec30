#include "quant/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/finite.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/fake_quantize_kernels.hpp"
#include "quant/thresholds.hpp"

namespace bitsmith::quant {
namespace {

constexpr double kEmaRate = 0.01;      // torch's MovingAverageMinMaxObserver
constexpr double kLeastWidth = 1e-35;  // its inverse is still a finite float
constexpr std::size_t kBlock = 1024;

float haq_threshold(const HistogramView& histogram, int bits) {
  if (bits > kHaqMostBits) return histogram.max;
  double count = 0;
  for (double c : histogram.counts) count += c;
  const auto first = std::ranges::find_if(histogram.counts, [](double c) { return c > 0; });
  const double least = static_cast<double>(first - histogram.counts.begin()) * histogram.width;
  const int wanted = haq_bins(static_cast<std::int64_t>(count), static_cast<float>(least), histogram.max);
  const int bins = std::min(wanted, static_cast<int>(histogram.counts.size()));
  const std::vector<double> counts = rebinned(histogram, bins);
  return kl_haq_threshold({counts, static_cast<double>(histogram.max) / bins, histogram.max}, bits);
}

}  // namespace

ActivationObserver::ActivationObserver(std::string name, ObserverOptions options)
    : name_(std::move(name)), options_(options) {
  base::require(options.bins >= 2 && options.freeze_after >= 0, "an observer has at least two bins");
}

void ActivationObserver::observe(std::span<const float> batch) {
  observe_part(batch);
  end_batch();
}

void ActivationObserver::observe_part(std::span<const float> part) {
  if (part.empty() || frozen()) return;
  const MinMax seen = finite_min_max(part, name_, "activations");
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
  const double rate = batches_ == 0 ? 1.0 : kEmaRate;
  ema_min_ += rate * (static_cast<double>(batch_min_) - ema_min_);
  ema_max_ += rate * (static_cast<double>(batch_max_) - ema_max_);
  ++batches_;
  in_batch_ = false;
}

void ActivationObserver::make_room(float magnitude) {
  if (magnitude == 0) return;
  const std::ptrdiff_t bins = capacity();
  if (width_ == 0) {
    width_ = std::max(static_cast<double>(magnitude) / options_.bins, kLeastWidth);
    counts_.assign(static_cast<std::size_t>(2 * bins), 0);
    counts_[0] = zeros_;
  }
  while (static_cast<double>(magnitude) > width_ * static_cast<double>(bins)) {
    width_ *= 2;
    for (int side = 0; side < 2; ++side) {
      std::int64_t* of_side = counts_.data() + side * bins;
      for (std::ptrdiff_t i = 0; i < bins / 2; ++i) of_side[i] = of_side[2 * i] + of_side[2 * i + 1];
      std::fill(of_side + bins / 2, of_side + bins, 0);
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
    kernels.bin_indices(batch.data() + from, static_cast<std::int64_t>(n), inverse, capacity(), index.data());
    for (std::size_t i = 0; i < n; ++i) ++counts_[static_cast<std::size_t>(index[i])];
  }
}

std::vector<double> ActivationObserver::counts_up_to(float largest, bool is_signed) const {
  const std::size_t most = static_cast<std::size_t>(capacity());
  const std::size_t bins =
      std::min<std::size_t>(most, static_cast<std::size_t>(static_cast<double>(largest) / width_) + 1);
  std::vector<double> counts(bins);
  // Places were found in float: the largest value's may be the one beyond.
  for (std::size_t i = 0; i < std::min(bins + 1, most); ++i) {
    counts[std::min(i, bins - 1)] +=
        static_cast<double>(counts_[i]) + (is_signed ? static_cast<double>(counts_[most + i]) : 0.0);
  }
  // The largest value may open a bin of its own by an ulp; it belongs to the one below.
  if (bins > 1 && static_cast<double>(largest) <= static_cast<double>(bins - 1) * width_ * (1 + 1e-6)) {
    counts[bins - 2] += counts[bins - 1];
    counts.pop_back();
  }
  return counts;
}

float ActivationObserver::threshold(int bits, bool is_signed, const CalibrationMethod& method) const {
  base::require(observed_ > 0 && !in_batch_, "a threshold was asked for before a batch was observed whole");
  const IntegerRange range = range_of({.bits = bits, .is_signed = is_signed});
  if (method.kind == Calibration::ema)
    return static_cast<float>(is_signed ? std::max(-ema_min_, ema_max_) : ema_max_);
  const float largest = is_signed ? std::max(-min_, max_) : max_;
  if (method.kind == Calibration::minmax || largest == 0) return largest;

  const std::vector<double> counts = counts_up_to(largest, is_signed);
  const HistogramView histogram{counts, width_, largest};
  switch (method.kind) {
    case Calibration::mse:
    case Calibration::mse_fine:
      return mse_threshold(histogram, range, method.kind == Calibration::mse_fine);
    case Calibration::kl:
      return kl_threshold(histogram, range);
    case Calibration::percentile:
      return percentile_threshold(histogram, method.percentile);
    case Calibration::kl_haq:
      return haq_threshold(histogram, bits);
    case Calibration::octav:
      return octav_threshold(histogram, bits, is_signed);
    case Calibration::minmax:
    case Calibration::ema:
      break;
  }
  throw base::InternalError("a calibration method that no observer knows");
}

ValueRange ActivationObserver::affine_range(Integers integers, const CalibrationMethod& method) const {
  base::require(observed_ > 0 && !in_batch_, "a range was asked for before a batch was observed whole");
  require_zero_point(method.kind, name_);
  integers.affine = true;
  if (method.kind == Calibration::ema) return {static_cast<float>(ema_min_), static_cast<float>(ema_max_)};
  const ValueRange whole{min_, max_};
  const float largest = std::max(-min_, max_);
  if (method.kind == Calibration::minmax || largest == 0) return whole;
  const std::vector<double> counts = counts_up_to(largest, true);
  if (!tells_anything({counts, width_, largest})) return whole;
  return method.kind == Calibration::percentile
             ? percentile_range(method.percentile)
             : mse_range(range_of(integers), method.kind == Calibration::mse_fine);
}

ValueRange ActivationObserver::percentile_range(double percentile) const {
  // From the most negative bin up; a bin below zero counts from its far edge.
  const int bins = capacity();
  const auto lower_edge = [&](double share) {
    double below = 0;
    for (int i = -bins; i < bins; ++i) {
      const int place = i < 0 ? bins - i - 1 : i;
      below += static_cast<double>(counts_[static_cast<std::size_t>(place)]) / static_cast<double>(observed_);
      if (below >= share) return i * width_;
    }
    return bins * width_;
  };
  const double low = lower_edge(1 - percentile / 100), high = lower_edge(percentile / 100);
  const ValueRange kept{std::clamp(static_cast<float>(low), min_, 0.0f),
                        std::clamp(static_cast<float>(high), 0.0f, max_)};
  return kept == ValueRange{} ? ValueRange{min_, max_} : kept;
}

ValueRange ActivationObserver::mse_range(IntegerRange integers, bool fine) const {
  std::vector<float> centres, weights;
  for (int i = 0; i < 2 * capacity(); ++i) {
    const std::int64_t held = counts_[static_cast<std::size_t>(i)];
    if (held == 0) continue;
    const double magnitude = (i % capacity() + 0.5) * width_;
    centres.push_back(static_cast<float>(i < capacity() ? magnitude : -magnitude));
    weights.push_back(static_cast<float>(held));
  }
  return shrunk_by_error({min_, max_}, integers, fine, centres, weights);
}

}  // namespace bitsmith::quant
