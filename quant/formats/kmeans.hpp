#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/formats/encoding_options.hpp"

namespace bitsmith::quant {

/// The distinct numbers of a slice, ascending, and how often each occurs: k-means in one dimension needs no
/// more.
struct Distinct {
  std::vector<double> value, count;
};
Distinct distinct_values(std::vector<double> x);

/// The index of the centroid nearest to x; of equally near ones the lowest. `centroids` ascend.
std::size_t nearest_centroid(std::span<const double> centroids, double x);

/// Up to k centroids, ascending, that make sum count * (value - nearest centroid)^2 small: Lloyd's iterations
/// from `init`, until no value changes its cluster or after `iterations`. Sums are double; an empty cluster
/// keeps its centroid. Not more than k distinct values are their own centroids. `seed` is for plus_plus
/// alone.
std::vector<double> kmeans_centroids(const Distinct& x, int k, KmeansInit init, int iterations,
                                     std::uint64_t seed);

/// The same with the least possible sum (Wang, Song 2011, Ckmeans.1d.dp): in one dimension clusters are runs
/// of ascending values, and the best j runs of the first n values follow from the best j-1 runs of fewer. O(k
/// n log n) time and k * n numbers of memory for n distinct values; UserError beyond 2^24 of them.
std::vector<double> optimal_centroids(const Distinct& x, int k);

/// sum count * (value - nearest centroid)^2
double kmeans_error(const Distinct& x, std::span<const double> centroids);

}  // namespace bitsmith::quant
