#include "quant/formats/kmeans.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::quant {
namespace {

std::vector<double> evenly(const Distinct& x, int k) {
  std::vector<double> centroids(static_cast<std::size_t>(k));
  const double low = x.value.front(), high = x.value.back();
  for (int j = 0; j < k; ++j) {
    const double part = static_cast<double>(j) / (k - 1);
    centroids[static_cast<std::size_t>(j)] = low * (1 - part) + high * part;
  }
  return centroids;
}

std::vector<double> at_quantiles(const Distinct& x, int k) {
  std::vector<double> centroids;
  const double all = std::accumulate(x.count.begin(), x.count.end(), 0.0);
  std::size_t i = 0;
  double up_to = x.count[0];
  for (int j = 0; j < k; ++j) {
    while (up_to < (j + 0.5) / k * all && i + 1 < x.value.size()) up_to += x.count[++i];
    centroids.push_back(x.value[i]);
  }
  return centroids;
}

// Arthur, Vassilvitskii 2007.
std::vector<double> plus_plus(const Distinct& x, int k, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<double> weight = x.count, centroids;
  std::vector<double> distance(x.value.size(), INFINITY);
  for (int j = 0; j < k; ++j) {
    double left = rng.uniform() * std::accumulate(weight.begin(), weight.end(), 0.0);
    std::size_t drawn = 0;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      if (weight[i] > 0) drawn = i;
      if ((left -= weight[i]) < 0) break;
    }
    centroids.push_back(x.value[drawn]);
    for (std::size_t i = 0; i < weight.size(); ++i) {
      distance[i] = std::min(distance[i], std::abs(x.value[i] - x.value[drawn]));
      weight[i] = x.count[i] * distance[i] * distance[i];
    }
  }
  std::sort(centroids.begin(), centroids.end());
  return centroids;
}

// True if a value has moved to another cluster. As values and centroids ascend, so do the clusters: one pass
// does what nearest_centroid would do for each value.
bool assign(const Distinct& x, std::span<const double> centroids, std::vector<std::size_t>& cluster) {
  std::vector<std::size_t> first;  // of equal centroids
  for (std::size_t j = 0; j < centroids.size(); ++j)
    if (j == 0 || centroids[j] != centroids[j - 1]) first.push_back(j);
  bool moved = false;
  std::size_t at = 0;
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    const double v = x.value[i];
    while (at + 1 < first.size() && centroids[first[at + 1]] - v < v - centroids[first[at]]) ++at;
    moved = moved || first[at] != cluster[i];
    cluster[i] = first[at];
  }
  return moved;
}

// Means of ascending runs ascend, and an empty cluster's centroid stays between its neighbours'.
void move_to_means(const Distinct& x, const std::vector<std::size_t>& cluster,
                   std::vector<double>& centroids) {
  std::vector<double> sum(centroids.size()), count(centroids.size());
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    sum[cluster[i]] += x.count[i] * x.value[i];
    count[cluster[i]] += x.count[i];
  }
  for (std::size_t j = 0; j < centroids.size(); ++j)
    if (count[j] > 0) centroids[j] = sum[j] / count[j];
}

/// Neighbours merged into their means: runs of at most a kBins-th of the values that span at most a kBins-th
/// of the range, so at most 2 kBins of them. What is near each other stays together; what is far out stays
/// alone.
Distinct binned(const Distinct& x) {
  constexpr double kBins = 1024;
  const double most_count = std::accumulate(x.count.begin(), x.count.end(), 0.0) / kBins;
  const double most_span = (x.value.back() - x.value.front()) / kBins;
  Distinct bins;
  double first = 0;
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    const bool joins = !bins.value.empty() && bins.count.back() + x.count[i] <= most_count &&
                       x.value[i] - first <= most_span;
    if (!joins) {
      first = x.value[i];
      bins.value.push_back(x.value[i]);
      bins.count.push_back(x.count[i]);
      continue;
    }
    const double total = bins.count.back() + x.count[i];
    bins.value.back() += (x.value[i] - bins.value.back()) * x.count[i] / total;
    bins.count.back() = total;
  }
  return bins;
}

std::vector<double> initial(const Distinct& x, int k, KmeansInit init, std::uint64_t seed) {
  switch (init) {
    case KmeansInit::linear:
      return evenly(x, k);
    case KmeansInit::density:
      return at_quantiles(x, k);
    case KmeansInit::plus_plus:
      return plus_plus(x, k, seed);
    case KmeansInit::binned: {
      const Distinct bins = binned(x);
      return bins.value.size() < static_cast<std::size_t>(k) ? evenly(x, k) : optimal_centroids(bins, k);
    }
    case KmeansInit::optimal:
      return optimal_centroids(x, k);
  }
  throw base::InternalError("no such start of k-means");
}

}  // namespace

Distinct distinct_values(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  Distinct distinct;
  for (double v : x) {
    if (distinct.value.empty() || distinct.value.back() != v) {
      distinct.value.push_back(v);
      distinct.count.push_back(0);
    }
    ++distinct.count.back();
  }
  return distinct;
}

std::size_t nearest_centroid(std::span<const double> centroids, double x) {
  const auto above = std::lower_bound(centroids.begin(), centroids.end(), x);
  if (above == centroids.begin()) return 0;
  const auto below = std::lower_bound(centroids.begin(), above, *(above - 1));
  const bool nearer_above = above != centroids.end() && *above - x < x - *below;
  return static_cast<std::size_t>((nearer_above ? above : below) - centroids.begin());
}

std::vector<double> kmeans_centroids(const Distinct& x, int k, KmeansInit init, int iterations,
                                     std::uint64_t seed) {
  if (x.value.size() <= static_cast<std::size_t>(k)) return x.value;
  std::vector<double> centroids = initial(x, k, init, seed);
  std::vector<std::size_t> cluster(x.value.size(), centroids.size());
  for (int i = 0; i < iterations && assign(x, centroids, cluster); ++i) move_to_means(x, cluster, centroids);
  return centroids;
}

double kmeans_error(const Distinct& x, std::span<const double> centroids) {
  double error = 0;
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    const double away = x.value[i] - centroids[nearest_centroid(centroids, x.value[i])];
    error += x.count[i] * away * away;
  }
  return error;
}

}  // namespace bitsmith::quant
