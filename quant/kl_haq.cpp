#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/thresholds.hpp"

namespace bitsmith::quant {
namespace {

double interpolated(const std::vector<double>& points, double at) {
  const std::size_t below = std::min(static_cast<std::size_t>(at), points.size() - 1);
  const std::size_t above = std::min(below + 1, points.size() - 1);
  return points[below] + (points[above] - points[below]) * (at - static_cast<double>(below));
}

double divergence_of(double p, double q) { return p == q ? 0 : (p - q) * std::log2(p / q); }

}  // namespace

int haq_bins(std::int64_t count, float least, float most) {
  if (least == most) return 1;
  const double width =
      (static_cast<double>(most) - static_cast<double>(least)) / std::sqrt(static_cast<double>(count));
  return static_cast<int>(std::min(std::ceil(static_cast<double>(most) / width), 1e9));
}

std::vector<double> rebinned(const HistogramView& histogram, int bins) {
  std::vector<double> out(static_cast<std::size_t>(bins));
  const double width = static_cast<double>(histogram.max) / bins;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double from = static_cast<double>(i) * histogram.width / width;
    const double to = std::min<double>(bins, static_cast<double>(i + 1) * histogram.width / width);
    for (int bin = std::min(static_cast<int>(from), bins - 1); bin < bins && bin < to; ++bin) {
      const double share = (std::min<double>(to, bin + 1) - std::max<double>(from, bin)) / (to - from);
      if (share > 0) out[static_cast<std::size_t>(bin)] += share * histogram.counts[i];
    }
  }
  return out;
}

float kl_haq_threshold(const HistogramView& histogram, int bits) {
  const int bins = static_cast<int>(histogram.counts.size()), points = 1 << (bits - 1);
  if (points + 1 > bins || !tells_anything(histogram)) return histogram.max;

  double all = 0;
  for (double count : histogram.counts) all += count;
  std::vector<double> p;  // the distribution function at each bin's upper edge
  for (double sum = 0; double count : histogram.counts) p.push_back((sum += count) / all);
  // What the bins from i on add, where q is 1.
  std::vector<double> beyond(p.size() + 1);
  for (std::size_t i = p.size(); i-- > 0;) beyond[i] = beyond[i + 1] + divergence_of(p[i], 1);

  double least = std::numeric_limits<double>::infinity();
  double threshold = static_cast<double>(histogram.max);
  std::vector<double> clipped, levels(static_cast<std::size_t>(points));
  for (int i = points + 1; i <= bins; ++i) {
    clipped.assign(p.begin(), p.begin() + i);
    clipped.back() = 1;
    const double steps = std::max(points - 1, 1), last = i - 1;
    for (int k = 0; k < points; ++k)
      levels[static_cast<std::size_t>(k)] = interpolated(clipped, last * k / steps);
    double sum = beyond[static_cast<std::size_t>(i)];
    for (int j = 0; j < i && sum < least; ++j)
      sum += divergence_of(p[static_cast<std::size_t>(j)], interpolated(levels, (points - 1) * j / last));
    if (sum < least) {
      least = sum;
      threshold = (i + 0.5) * histogram.width;
    }
  }
  return std::min(histogram.max, static_cast<float>(threshold));
}

}  // namespace bitsmith::quant
