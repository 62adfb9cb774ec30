#include "quant/thresholds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/fake_quantize.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kStartBin = 128;  // NVIDIA's first candidate: as many as an 8-bit format has levels

// Sums over the first i bins, i = 0..bins.
struct Prefix {
  std::vector<double> count, filled, count_log_count;

  explicit Prefix(std::span<const double> counts)
      : count(counts.size() + 1), filled(counts.size() + 1), count_log_count(counts.size() + 1) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double c = counts[i];
      count[i + 1] = count[i] + c;
      filled[i + 1] = filled[i] + (c > 0 ? 1 : 0);
      count_log_count[i + 1] = count_log_count[i] + (c > 0 ? c * std::log(c) : 0);
    }
  }
};

// KL(p || q) of the first `bins` bins, p with the clipped tail in its last bin, q spread over `levels`
// levels, each evenly over its non-empty bins. With S_l, n_l a level's sum and its non-empty bins, P and Q
// the totals, KL = sum_j p_j log p_j / P - log P - sum_l (p's mass in l) log(S_l / n_l) / P + log Q.
double divergence(const Prefix& prefix, std::span<const double> counts, int bins, int levels) {
  const std::size_t end = static_cast<std::size_t>(bins);
  const double all = prefix.count.back(), kept = prefix.count[end], tail = all - kept;
  const double last = counts[end - 1];
  if ((tail > 0 && last == 0) || kept == 0) return std::numeric_limits<double>::infinity();
  double p_log_p = prefix.count_log_count[end];
  if (tail > 0) p_log_p += (last + tail) * std::log(last + tail) - last * std::log(last);
  double cross = 0;
  std::size_t from = 0;
  for (int level = 0; level < levels; ++level) {
    const std::size_t to = static_cast<std::size_t>((std::int64_t{level + 1} * bins + levels - 1) / levels);
    const double sum = prefix.count[to] - prefix.count[from];
    const double mass = sum + (to == end && from < to ? tail : 0);
    if (sum > 0) cross += mass * std::log(sum / (prefix.filled[to] - prefix.filled[from]));
    from = to;
  }
  return (p_log_p - cross) / all - std::log(all) + std::log(kept);
}

}  // namespace

float best_threshold(float max, bool fine, const std::function<double(float)>& error) {
  if (max == 0) return 0;
  constexpr int kGrid = 100, kFine = 8;
  double least = std::numeric_limits<double>::infinity();
  int best = kGrid * kFine;
  const auto threshold = [&](int step) {
    return step == kGrid * kFine ? max
                                 : static_cast<float>(static_cast<double>(max) * step / (kGrid * kFine));
  };
  const auto consider = [&](int step) {
    const double e = error(threshold(step));
    if (e < least || (e == least && step > best)) {
      least = e;
      best = step;
    }
  };
  for (int i = kGrid; i >= 1; --i) consider(i * kFine);
  const int centre = best;
  for (int step = centre - kFine + 1; fine && step < centre + kFine; ++step)
    if (step >= 1 && step < kGrid * kFine && step != centre) consider(step);
  return threshold(best);
}

bool tells_anything(const HistogramView& histogram) {
  for (std::size_t i = 1; i < histogram.counts.size(); ++i)
    if (histogram.counts[i] > 0 &&
        (static_cast<double>(i) + 1) * histogram.width < static_cast<double>(histogram.max))
      return true;
  return false;
}

float mse_threshold(const HistogramView& histogram, IntegerRange range, bool fine) {
  if (!tells_anything(histogram)) return histogram.max;
  std::vector<float> centres, weights;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 0) continue;
    centres.push_back(static_cast<float>((static_cast<double>(i) + 0.5) * histogram.width));
    weights.push_back(static_cast<float>(histogram.counts[i]));
  }
  return best_threshold(histogram.max, fine, [&](float threshold) {
    return quantization_error(centres.data(), weights.data(), static_cast<std::int64_t>(centres.size()),
                              scale_of_threshold(threshold, range), range.low, range.high);
  });
}

float percentile_threshold(const HistogramView& histogram, double percentile) {
  if (!tells_anything(histogram)) return histogram.max;
  double all = 0, below = 0;
  for (double count : histogram.counts) all += count;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    below += histogram.counts[i] / all;
    if (below >= percentile / 100)
      return std::min(histogram.max,
                      static_cast<float>(static_cast<double>(std::max<std::size_t>(i, 1)) * histogram.width));
  }
  return histogram.max;
}

float kl_threshold(const HistogramView& histogram, IntegerRange range) {
  if (histogram.max == 0) return 0;
  std::vector<double> counts(histogram.counts.begin(), histogram.counts.end());
  const int bins = static_cast<int>(counts.size());
  if (bins > 1) counts[0] = counts[1];
  const int levels = range.low < 0 ? range.high + 1 : range.levels();
  const Prefix prefix(counts);
  double least = std::numeric_limits<double>::infinity();
  int best = bins;
  const int start = bins > kStartBin ? kStartBin : std::max(bins / 16, 1);
  for (int i = bins; i >= start; --i) {
    const double kl = divergence(prefix, counts, i, levels);
    if (kl < least) {
      least = kl;
      best = i;
    }
  }
  return best == bins ? histogram.max : std::min(histogram.max, static_cast<float>(best * histogram.width));
}

}  // namespace bitsmith::quant
