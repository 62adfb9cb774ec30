#include "quant/base/random.hpp"

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <set>

namespace {
using namespace bitsmith::base;

constexpr int kDraws = 100'000;
}  // namespace

BOOST_AUTO_TEST_SUITE(random_numbers)

BOOST_AUTO_TEST_CASE(the_generator_is_xoshiro256_starstar) {
  // From the state 1, 2, 3, 4: the first values follow from the published recurrence by hand.
  Rng rng(0);
  const std::array<std::uint64_t, 4> state{1, 2, 3, 4};
  rng.restore(state);
  for (std::uint64_t expected : {11520ull, 0ull, 1509978240ull, 1215971899390074240ull})
    BOOST_TEST(rng.next() == expected);
}

BOOST_AUTO_TEST_CASE(a_restored_state_goes_on_as_the_first_one_did) {
  Rng rng(7);
  for (int i = 0; i < 10; ++i) rng.normal();
  std::array<std::uint64_t, 4> saved;
  std::copy(std::begin(rng.state()), std::end(rng.state()), saved.begin());
  std::vector<double> first, second;
  for (int i = 0; i < 20; ++i) first.push_back(rng.truncated_normal(0.5, 0.5, 0, 1) + rng.uniform());
  Rng other(1);
  other.restore(saved);
  for (int i = 0; i < 20; ++i) second.push_back(other.truncated_normal(0.5, 0.5, 0, 1) + other.uniform());
  BOOST_TEST(first == second, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(seeds_differ_by_run_purpose_and_index) {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t run : {0, 1})
    for (const char* purpose : {"epoch", "augment", ""})
      for (std::uint64_t index : {0, 1, 256}) seeds.insert(derive_seed(run, purpose, index));
  BOOST_TEST(seeds.size() == 18u);
  BOOST_TEST(derive_seed(1, "epoch", 2) == derive_seed(1, "epoch", 2));
}

BOOST_AUTO_TEST_CASE(uniform_numbers_fill_their_interval_evenly) {
  Rng rng(3);
  std::array<int, 10> bins{};
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.uniform();
    BOOST_REQUIRE(x >= 0.0);
    BOOST_REQUIRE(x < 1.0);
    ++bins[static_cast<std::size_t>(x * 10)];
  }
  // Five standard deviations of a binomial(100000, 0.1) are 474.
  for (int count : bins) BOOST_TEST(std::abs(count - kDraws / 10) < 474);
  for (int i = 0; i < 1000; ++i) {
    const double x = rng.uniform(-2.0, -1.0);
    BOOST_REQUIRE(x >= -2.0);
    BOOST_REQUIRE(x < -1.0);
  }
}

BOOST_AUTO_TEST_CASE(below_is_unbiased_and_stays_below) {
  Rng rng(4);
  std::array<int, 3> bins{};
  for (int i = 0; i < kDraws; ++i) ++bins[rng.below(3)];
  // Five standard deviations of a binomial(100000, 1/3) are 745.
  for (int count : bins) BOOST_TEST(std::abs(count - kDraws / 3) < 745);
  for (int i = 0; i < 10; ++i) BOOST_TEST(rng.below(1) == 0u);
  constexpr std::uint64_t kHuge = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) BOOST_TEST(rng.below(kHuge) < kHuge);
}

BOOST_AUTO_TEST_CASE(normal_numbers_have_mean_zero_and_variance_one) {
  Rng rng(5);
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
  }
  BOOST_TEST(std::abs(sum / kDraws) < 0.016);             // five standard errors: 5 / sqrt(100000)
  BOOST_TEST(std::abs(squares / kDraws - 1.0) < 0.0224);  // five standard errors: 5 sqrt(2 / 100000)
}

BOOST_AUTO_TEST_CASE(truncated_normals_stay_inside_and_have_the_mean_of_the_formula) {
  Rng rng(6);
  double sum = 0.0;
  for (int i = 0; i < kDraws / 4; ++i) {
    const double x = rng.truncated_normal(0.9, 0.5, 0.0, 1.0);
    BOOST_REQUIRE(x >= 0.0);
    BOOST_REQUIRE(x <= 1.0);
    sum += x;
  }
  const auto density = [](double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi); };
  const auto share_below = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
  const double a = (0.0 - 0.9) / 0.5, b = (1.0 - 0.9) / 0.5;
  const double mean_by_formula = 0.9 + 0.5 * (density(a) - density(b)) / (share_below(b) - share_below(a));
  // Five standard errors: the deviation is below 0.29, that of a uniform number on the same interval.
  BOOST_TEST(std::abs(sum / (kDraws / 4) - mean_by_formula) < 0.0092);
  for (double mean : {-100.0, 100.0})  // where both tails round to the same number
    for (int i = 0; i < 100; ++i) {
      const double x = rng.truncated_normal(mean, 0.01, 0.0, 1.0);
      BOOST_REQUIRE(x >= 0.0);
      BOOST_REQUIRE(x <= 1.0);
    }
}

BOOST_AUTO_TEST_CASE(a_permutation_has_every_number_once) {
  Rng rng(8);
  for (int n : {0, 1, 2, 100}) {
    auto order = rng.permutation(n);
    std::sort(order.begin(), order.end());
    BOOST_REQUIRE(order.size() == static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) BOOST_TEST(order[static_cast<std::size_t>(i)] == i);
  }
  std::array<int, 6> seen{};  // all six orders of three, evenly
  for (int i = 0; i < 6000; ++i) {
    const auto p = rng.permutation(3);
    ++seen[static_cast<std::size_t>(2 * p[0] + (p[1] > p[2]))];
  }
  for (int count : seen) BOOST_TEST(std::abs(count - 1000) < 145);  // five standard deviations
}

BOOST_AUTO_TEST_SUITE_END()
