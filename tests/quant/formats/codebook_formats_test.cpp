#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/encoding.hpp"
#include "quant/formats/kmeans.hpp"
#include "quant/formats/normal_float.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

using Codes = std::vector<std::int32_t>;
using Numbers = std::vector<float>;
const auto kEach = boost::test_tools::per_element();

constexpr KmeansInit kStarts[] = {KmeansInit::linear, KmeansInit::density, KmeansInit::plus_plus,
                                  KmeansInit::binned};

Distinct sample_of(std::size_t n, std::uint64_t seed, Shape shape) {
  const auto x = sample(n, seed, shape);
  return distinct_values({x.begin(), x.end()});
}

// The least error over every way to cut ascending values into k runs.
double least_error_by_search(const Distinct& x, std::size_t k, std::size_t from = 0) {
  const std::size_t n = x.value.size();
  if (from == n) return 0;
  if (k == 0) return INFINITY;
  double least = INFINITY, sum = 0, count = 0;
  for (std::size_t end = from + 1; end <= n; ++end) {
    sum += x.count[end - 1] * x.value[end - 1];
    count += x.count[end - 1];
    double error = 0;
    for (std::size_t i = from; i < end; ++i) error += x.count[i] * std::pow(x.value[i] - sum / count, 2);
    least = std::min(least, error + least_error_by_search(x, k - 1, end));
  }
  return least;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kmeans_format)

BOOST_AUTO_TEST_CASE(clear_clusters_are_found_and_their_means_are_the_codebook) {
  EncodingOptions options;
  options.kmeans_init = KmeansInit::optimal;  // from an even start two of these clusters stay one
  const Encoded encoded =
      encode_flat({-1.1f, -0.9f, 0, 0.1f, -0.1f, 5, 5.5f, 4.5f, 9}, named("kmeans2"), options);
  const Numbers expected = {-1, 0, 5, 9};
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(std::abs(encoded.codebook[i] - expected[i]) < 1e-6f);
  BOOST_TEST(encoded.codes == (Codes{0, 0, 1, 1, 1, 2, 2, 2, 3}), kEach);
  BOOST_TEST(encoded.scales.empty());
}

BOOST_AUTO_TEST_CASE(few_distinct_values_are_their_own_centroids) {
  for (KmeansInit init : {KmeansInit::linear, KmeansInit::density, KmeansInit::plus_plus, KmeansInit::binned,
                          KmeansInit::optimal}) {
    EncodingOptions options;
    options.kmeans_init = init;
    const Encoded encoded = encode_flat({3, -1, 3, 2, -1}, named("kmeans2"), options);
    BOOST_TEST(encoded.codebook == (Numbers{-1, 2, 3, 3}), kEach);
    BOOST_TEST(encoded.codes == (Codes{2, 0, 2, 1, 0}), kEach);
  }
}

BOOST_AUTO_TEST_CASE(of_equally_near_centroids_the_lowest_is_taken) {
  const std::vector<double> centroids = {0, 1, 1, 3};
  BOOST_TEST(nearest_centroid(centroids, -5) == 0u);
  BOOST_TEST(nearest_centroid(centroids, 0.5) == 0u);
  BOOST_TEST(nearest_centroid(centroids, 1) == 1u);
  BOOST_TEST(nearest_centroid(centroids, 1.9) == 1u);
  BOOST_TEST(nearest_centroid(centroids, 2) == 1u);
  BOOST_TEST(nearest_centroid(centroids, 2.1) == 3u);
  BOOST_TEST(nearest_centroid(centroids, 9) == 3u);
}

BOOST_AUTO_TEST_CASE(an_empty_cluster_keeps_its_centroid) {
  // Evenly from 0 to 30: 0, 10, 20, 30, and nothing is near 10 or 20.
  const Distinct x = distinct_values({0, 0.1, 0.2, 29.8, 29.9, 30});
  const auto centroids = kmeans_centroids(x, 4, KmeansInit::linear, 50, 1);
  BOOST_TEST(centroids[1] == 10);
  BOOST_TEST(centroids[2] == 20);
  BOOST_TEST(centroids[0] == 0.1, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(when_lloyd_stops_centroids_are_the_means_of_what_is_nearest) {
  for (Shape shape : {Shape::normal, Shape::laplace, Shape::outliers})
    for (KmeansInit init : kStarts) {
      const Distinct x = sample_of(500, 9, shape);
      const auto centroids = kmeans_centroids(x, 8, init, 1000, 4);
      BOOST_TEST(std::is_sorted(centroids.begin(), centroids.end()));
      std::vector<double> sum(8), count(8);
      for (std::size_t i = 0; i < x.value.size(); ++i) {
        const std::size_t j = nearest_centroid(centroids, x.value[i]);
        sum[j] += x.count[i] * x.value[i];
        count[j] += x.count[i];
      }
      for (std::size_t j = 0; j < 8; ++j)
        if (count[j] > 0) BOOST_TEST(centroids[j] == sum[j] / count[j], boost::test_tools::tolerance(1e-9));
    }
}

BOOST_AUTO_TEST_CASE(the_optimum_is_that_of_a_search_through_all_cuts) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    for (std::size_t k : {std::size_t{2}, std::size_t{3}, std::size_t{4}}) {
      const Distinct x = sample_of(12, seed, Shape::outliers);
      BOOST_TEST(kmeans_error(x, optimal_centroids(x, static_cast<int>(k))) == least_error_by_search(x, k),
                 boost::test_tools::tolerance(1e-9));
    }
}

BOOST_AUTO_TEST_CASE(lloyd_is_bounded_by_the_optimum_and_near_it) {
  // How many times the optimum's error Lloyd's local minima have at most, up to 64 centroids: even starts lie
  // in the tails, where clusters stay empty; quantiles leave the tails to a few. On outliers both lose far
  // more.
  const std::vector<std::pair<KmeansInit, double>> farthest = {{KmeansInit::binned, 1.01},
                                                               {KmeansInit::plus_plus, 1.5},
                                                               {KmeansInit::linear, 3},
                                                               {KmeansInit::density, 8}};
  for (Shape shape : {Shape::normal, Shape::laplace})
    for (int k : {2, 4, 16, 64}) {
      const Distinct x = sample_of(2000, 3, shape);
      const double best = kmeans_error(x, optimal_centroids(x, k));
      for (const auto& [init, most] : farthest) {
        const double error = kmeans_error(x, kmeans_centroids(x, k, init, 300, 7));
        BOOST_TEST(error >= best * (1 - 1e-9));
        BOOST_TEST(error <= best * most, k << " centroids: " << error / best << " times the optimum");
      }
      BOOST_TEST(kmeans_error(x, kmeans_centroids(x, k, KmeansInit::optimal, 300, 7)) <= best * (1 + 1e-9));
    }
}

BOOST_AUTO_TEST_CASE(equal_seeds_draw_equal_starts_and_slices_differ) {
  EncodingOptions options;
  options.kmeans_init = KmeansInit::plus_plus;
  const auto x = sample(600, 1);
  const Encoded a = encode_flat(x, named("kmeans4"), options), b = encode_flat(x, named("kmeans4"), options);
  BOOST_TEST(a.codebook == b.codebook, kEach);
  options.seed = 2;
  BOOST_TEST((encode_flat(x, named("kmeans4"), options).codebook != a.codebook));
}

BOOST_AUTO_TEST_CASE(too_many_values_for_the_optimum_are_refused) {
  Distinct x;
  for (int i = 0; i < (1 << 16) + 1; ++i) x.value.push_back(i);
  x.count.assign(x.value.size(), 1);
  BOOST_CHECK_THROW(optimal_centroids(x, 256), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(normal_float_format)

BOOST_AUTO_TEST_CASE(the_table_is_the_published_one) {
  const Numbers published = {-1.0f,
                             -0.6961928009986877f,
                             -0.5250730514526367f,
                             -0.39491748809814453f,
                             -0.28444138169288635f,
                             -0.18477343022823334f,
                             -0.09105003625154495f,
                             0.0f,
                             0.07958029955625534f,
                             0.16093020141124725f,
                             0.24611230194568634f,
                             0.33791524171829224f,
                             0.44070982933044434f,
                             0.5626170039176941f,
                             0.7229568362236023f,
                             1.0f};
  BOOST_TEST(normal_float4() == published, kEach);
}

BOOST_AUTO_TEST_CASE(every_number_of_the_table_has_its_own_code) {
  Numbers x(normal_float4().begin(), normal_float4().end());
  for (float& v : x) v *= 4;
  const Encoded encoded = encode_flat(x, named("nf4"));
  BOOST_TEST(encoded.scales == (Numbers{4}), kEach);
  for (int i = 0; i < 16; ++i) BOOST_TEST(encoded.codes[static_cast<std::size_t>(i)] == i);
  BOOST_TEST(decode(encoded) == x, kEach);
}

BOOST_AUTO_TEST_CASE(the_thresholds_are_those_of_bitsandbytes) {
  // csrc/kernels.cu, dQuantizeNF4, from the highest code down.
  const std::vector<double> thresholds = {0.8614784181118011,   0.6427869200706482,   0.5016634166240692,
                                          0.3893125355243683,   0.2920137718319893,   0.2035212516784668,
                                          0.1202552504837513,   0.03979014977812767,  -0.045525018125772475,
                                          -0.13791173323988914, -0.23460740596055984, -0.33967943489551544,
                                          -0.4599952697753906,  -0.6106329262256622,  -0.8480964004993439};
  int code = 15;
  for (double threshold : thresholds) {
    const Encoded encoded = encode_flat(
        {1, static_cast<float>(threshold + 1e-6), static_cast<float>(threshold - 1e-6)}, named("nf4"));
    BOOST_TEST(encoded.codes[1] == code);
    BOOST_TEST(encoded.codes[2] == --code);
  }
}

BOOST_AUTO_TEST_CASE(halfway_between_two_numbers_the_lower_code_is_taken) {
  const double half = (double{normal_float4()[8]} + 0) / 2;  // 0.0398: a float
  BOOST_TEST(encode_flat({1, static_cast<float>(half)}, named("nf4")).codes[1] == 7);
}

BOOST_AUTO_TEST_CASE(blocks_end_with_their_row) {
  const std::vector<std::int64_t> shape = {2, 70};
  Numbers x(140, 0.25f);
  x[63] = 2;
  x[64] = -3;
  x[71] = 5;
  const Encoded encoded = encode(x, shape, named("nf4"));
  BOOST_TEST(encoded.scales == (Numbers{2, 3, 5, 0.25f}), kEach);
  BOOST_TEST((encoded.scale_shape == std::vector<std::int64_t>{2, 2}));
}

BOOST_AUTO_TEST_CASE(a_block_of_zeros_is_code_seven_at_scale_zero) {
  const Encoded encoded = encode_flat(Numbers(5, 0.0f), named("nf4"));
  BOOST_TEST(encoded.codes == Codes(5, 7), kEach);
  BOOST_TEST(encoded.scales[0] == 0);
}

BOOST_AUTO_TEST_SUITE_END()
