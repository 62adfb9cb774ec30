#include "quant/formats/kmeans_format.hpp"

#include <algorithm>

#include "quant/base/random.hpp"
#include "quant/formats/kmeans.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {

void encode_kmeans(const Values& x, Encoded& to) {
  const int entries = 1 << to.format.element_bits();
  const Slices slices = scale_slices(to);
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    const std::uint64_t seed = base::derive_seed(to.options.seed, "kmeans", static_cast<std::uint64_t>(s));
    std::vector<double> centroids = kmeans_centroids(distinct_values(part), entries, to.options.kmeans_init,
                                                     to.options.kmeans_iterations, seed);
    centroids.resize(static_cast<std::size_t>(entries), centroids.back());
    // Elements go to the nearest centroid as it is stored.
    float* codebook = &to.codebook[static_cast<std::size_t>(s * entries)];
    std::transform(centroids.begin(), centroids.end(), codebook,
                   [](double c) { return static_cast<float>(c); });
    centroids.assign(codebook, codebook + entries);
    slices.visit(s, [&](std::int64_t i, std::int64_t at) {
      to.codes[static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(nearest_centroid(centroids, part[static_cast<std::size_t>(at)]));
    });
  }
}

void decode_kmeans(const Encoded& from, std::span<float> y) {
  const int entries = 1 << from.format.element_bits();
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s)
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      const std::int64_t entry = s * entries + from.codes[static_cast<std::size_t>(i)];
      y[static_cast<std::size_t>(i)] = from.codebook[static_cast<std::size_t>(entry)];
    });
}

}  // namespace bitsmith::quant
