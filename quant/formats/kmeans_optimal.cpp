#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/kmeans.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::size_t kMostNumbers = std::size_t{1} << 24;

// Sums over the first i values, from which the error of any run about its own mean follows. Taken about the
// median, in long double: they are differences of nearly equal numbers.
class RunError {
 public:
  explicit RunError(const Distinct& x) : count_(x.value.size() + 1), sum_(count_), squares_(count_) {
    const long double centre = x.value[x.value.size() / 2];
    for (std::size_t i = 0; i < x.value.size(); ++i) {
      const long double v = x.value[i] - centre;
      count_[i + 1] = count_[i] + x.count[i];
      sum_[i + 1] = sum_[i] + x.count[i] * v;
      squares_[i + 1] = squares_[i] + x.count[i] * v * v;
    }
  }
  // Of values from .. to - 1, not none.
  double operator()(std::size_t from, std::size_t to) const {
    const long double sum = sum_[to] - sum_[from];
    const long double error = squares_[to] - squares_[from] - sum * sum / (count_[to] - count_[from]);
    return std::max(0.0, static_cast<double>(error));
  }

 private:
  std::vector<long double> count_, sum_, squares_;
};

// The best start of the last run, for each number of values in [low, high): it does not decrease with them,
// so that the middle one's bounds those of either half.
void best_starts(const RunError& error, const std::vector<double>& before, std::size_t low, std::size_t high,
                 std::size_t from, std::size_t to, std::vector<double>& best, std::uint32_t* start) {
  if (low >= high) return;
  const std::size_t middle = (low + high) / 2;
  double least = std::numeric_limits<double>::infinity();
  std::size_t at = from;
  for (std::size_t i = from; i <= std::min(to, middle - 1); ++i) {
    const double total = before[i] + error(i, middle);
    if (total < least) {
      least = total;
      at = i;
    }
  }
  best[middle] = least;
  start[middle] = static_cast<std::uint32_t>(at);
  best_starts(error, before, low, middle, from, at, best, start);
  best_starts(error, before, middle + 1, high, at, to, best, start);
}

}  // namespace

std::vector<double> optimal_centroids(const Distinct& x, int k) {
  const std::size_t n = x.value.size(), clusters = static_cast<std::size_t>(k);
  if (n <= clusters) return x.value;
  if (n > kMostNumbers / clusters)
    throw base::UserError(
        fmt::format("kmeans: {} distinct values in a slice are too many for {} optimal "
                    "centroids; at most {}, or start with linear, density or plus_plus",
                    n, k, kMostNumbers / clusters));
  // best[i]: the least error of the first i values in j runs; start[j][i]: where the last of these begins.
  const RunError error(x);
  std::vector<double> best(n + 1, std::numeric_limits<double>::infinity()), before;
  std::vector<std::uint32_t> start(clusters * (n + 1));
  best[0] = 0;
  for (std::size_t j = 0; j < clusters; ++j) {
    before.assign(n + 1, std::numeric_limits<double>::infinity());
    std::swap(best, before);
    best_starts(error, before, j + 1, n + 1, j, n - 1, best, &start[j * (n + 1)]);
  }
  std::vector<double> centroids(clusters);
  std::size_t end = n;
  for (std::size_t j = clusters; j-- > 0;) {
    const std::size_t begin = start[j * (n + 1) + end];
    double sum = 0, count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum += x.count[i] * x.value[i];
      count += x.count[i];
    }
    centroids[j] = sum / count;
    end = begin;
  }
  return centroids;
}

}  // namespace bitsmith::quant
