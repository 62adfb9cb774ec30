#include "quant/calibrated_range.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/thresholds.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using boost::test_tools::tolerance;

namespace {

std::vector<float> sample(std::size_t n, std::uint64_t seed, double shift = 0, bool heavy = false) {
  base::Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) {
    const double normal = rng.normal();
    v = static_cast<float>(heavy ? normal * normal * normal + shift : normal + shift);
  }
  return x;
}

// Plain double forms of the rules, written from their definitions.

double plain_quantile(std::vector<double> x, double percent) {
  std::ranges::sort(x);
  const double place = static_cast<double>(x.size() - 1) * percent / 100;
  const std::size_t below = static_cast<std::size_t>(place), above = std::min(below + 1, x.size() - 1);
  return x[below] * (1 - (place - std::floor(place))) + x[above] * (place - std::floor(place));
}

std::vector<double> plain_magnitudes(const std::vector<float>& x) {
  std::vector<double> m;
  for (float v : x) m.push_back(std::abs(static_cast<double>(v)));
  return m;
}

double plain_octav(const std::vector<float>& x, double k, int iterations) {
  double s = 0;
  for (int i = 0; i <= iterations; ++i) {
    double sum = 0, above = 0, below = 0;
    for (double m : plain_magnitudes(x)) (m > s ? (sum += m, above) : below) += 1;
    if (above == 0) return s;
    s = i == 0 ? sum / above : sum / (k * below + above);
  }
  return s;
}

double plain_error(const std::vector<float>& x, ValueRange range, Integers integers) {
  const IntegerRange q = range_of(integers);
  double scale = static_cast<double>(range.high) / q.high, zero = 0;
  if (integers.affine) {
    scale = (static_cast<double>(range.high) - static_cast<double>(range.low)) / (q.high - q.low);
    zero = std::clamp<double>(q.low - std::nearbyint(static_cast<double>(range.low) / scale), q.low, q.high);
  }
  double sum = 0;
  for (float v : x) {
    const double level =
        std::clamp<double>(std::nearbyint(static_cast<double>(v) / scale) + zero, q.low, q.high);
    sum += std::pow(scale * (level - zero) - static_cast<double>(v), 2);
  }
  return sum;
}

// numpy's interp at `at` of the points (k / (n - 1), y[k]).
double plain_interp(const std::vector<double>& y, double at) {
  if (y.size() == 1) return y[0];
  const double place = at * static_cast<double>(y.size() - 1);
  const std::size_t k = std::min(static_cast<std::size_t>(place), y.size() - 2);
  return y[k] + (y[k + 1] - y[k]) * (place - static_cast<double>(k));
}

double plain_haq(const std::vector<float>& x, int bits) {
  const auto m = plain_magnitudes(x);
  const double most = std::ranges::max(m), least = std::ranges::min(m);
  const auto bins =
      static_cast<std::size_t>(std::ceil(most / ((most - least) / std::sqrt(static_cast<double>(m.size())))));
  std::vector<double> cumulative(bins);
  for (double v : m)
    cumulative[std::min(bins - 1, static_cast<std::size_t>(v / most * static_cast<double>(bins)))] +=
        1 / static_cast<double>(m.size());
  std::partial_sum(cumulative.begin(), cumulative.end(), cumulative.begin());
  const std::size_t n = std::size_t{1} << (bits - 1);
  if (n + 1 > bins) return most;
  double least_d = std::numeric_limits<double>::infinity(), threshold = most;
  for (std::size_t i = n + 1; i <= bins; ++i) {
    std::vector<double> p = cumulative;
    for (std::size_t j = i - 1; j < bins; ++j) p[j] = 1;
    const std::vector<double> head(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<double> levels;
    for (std::size_t k = 0; k < n; ++k)
      levels.push_back(plain_interp(head, n == 1 ? 0 : static_cast<double>(k) / static_cast<double>(n - 1)));
    std::vector<double> q = p;
    for (std::size_t j = 0; j < i; ++j)
      q[j] = plain_interp(levels, static_cast<double>(j) / static_cast<double>(i - 1));
    double d = 0;
    for (std::size_t j = 0; j < bins; ++j)
      if (cumulative[j] != q[j]) d += (cumulative[j] - q[j]) * std::log2(cumulative[j] / q[j]);
    if (d < least_d) {
      least_d = d;
      threshold = (static_cast<double>(i) + 0.5) * most / static_cast<double>(bins);
    }
  }
  return std::min(most, threshold);
}

std::string problem_of(const auto& action) {
  try {
    action();
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "no problem";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calibrated_ranges)

BOOST_AUTO_TEST_CASE(the_table_has_a_row_for_every_name) {
  for (const CalibrationRow& row : calibration_methods()) {
    BOOST_TEST(calibration_name(row.kind) == row.name);
    BOOST_TEST(!row.what.empty());
    BOOST_TEST(!row.source.empty());
  }
  BOOST_TEST(calibration_names() == (std::vector<std::string>{"minmax", "ema", "mse", "kl", "percentile",
                                                              "kl_haq", "octav", "mse_fine"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_range_contains_zero_and_lies_within_the_values) {
  for (const CalibrationRow& row : calibration_methods())
    for (bool heavy : {false, true})
      for (int bits : {1, 2, 3, 4, 8, 12, 16})
        for (bool is_signed : {false, true})
          for (bool affine : {false, true}) {
            if ((affine && row.symmetric_only) || (bits == 1 && is_signed && !affine)) continue;
            const auto x = sample(2000, 3, 0.5, heavy);
            const auto [low, high] = calibrated_range(x, {bits, is_signed, affine}, row.kind);
            const auto [least, most] = std::ranges::minmax(x);
            BOOST_TEST_CONTEXT(row.name << " " << bits << " bits") {
              BOOST_TEST(high > 0);
              BOOST_TEST(low <= 0);
              BOOST_TEST(high <= (is_signed && !affine ? std::max(most, -least) : most));
              if (affine) BOOST_TEST(low >= least);
              if (!affine) BOOST_TEST(low == (is_signed ? -high : 0));
            }
          }
}

BOOST_AUTO_TEST_CASE(zeros_a_single_value_and_constants_are_their_own_range) {
  for (const CalibrationRow& row : calibration_methods())
    for (float value : {0.0f, 3.7f, -3.7f, 1e-30f, 1e30f, 1e-42f, 3e38f})
      for (std::size_t n : {1u, 2u, 500u})
        for (int bits : {2, 4, 8}) {
          const std::vector<float> x(n, value);
          BOOST_TEST_CONTEXT(row.name << " of " << n << " times " << value) {
            BOOST_CHECK((calibrated_range(x, {.bits = bits}, row.kind) ==
                         ValueRange{-std::abs(value), std::abs(value)}));
            BOOST_CHECK((calibrated_range(x, {.bits = bits, .is_signed = false}, row.kind) ==
                         ValueRange{0, std::max(value, 0.0f)}));
            if (!row.symmetric_only)
              BOOST_CHECK((calibrated_range(x, {bits, true, true}, row.kind) ==
                           ValueRange{std::min(value, 0.0f), std::max(value, 0.0f)}));
          }
        }
}

BOOST_AUTO_TEST_CASE(percentile_is_the_interpolated_quantile) {
  const std::vector<float> x{1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 0};  // magnitudes 0..10
  BOOST_TEST(calibrated_range(x, {.bits = 8}, {Calibration::percentile, 50}).high == 5);
  BOOST_TEST(calibrated_range(x, {.bits = 8}, {Calibration::percentile, 95}).high == 9.5f);
  BOOST_TEST(calibrated_range(x, {.bits = 8}, {Calibration::percentile, 100}).high == 10);
  // Both ends: the sorted values are -10, -8, -6, -4, -2, 0, 1, 3, 5, 7, 9.
  const ValueRange both = calibrated_range(x, {8, true, true}, {Calibration::percentile, 95});
  BOOST_TEST(both.low == -9, tolerance(1e-6f));
  BOOST_TEST(both.high == 8, tolerance(1e-6f));
  // Unsigned integers look at 0, 1, 3, 5, 7, 9.
  BOOST_TEST(calibrated_range(x, {8, false, false}, {Calibration::percentile, 90}).high == 8);
  for (std::size_t n : {10u, 999u, 20001u})
    for (double percent : {50.0, 99.0, 99.9, 99.99}) {
      const auto y = sample(n, n);
      BOOST_TEST(
          static_cast<double>(calibrated_range(y, {.bits = 8}, {Calibration::percentile, percent}).high) ==
              plain_quantile(plain_magnitudes(y), percent),
          tolerance(1e-6));
    }
}

BOOST_AUTO_TEST_CASE(a_quantile_of_zero_gives_way_to_the_values_own_range) {
  std::vector<float> x(100000, 0.0f);
  x[7] = -2;
  BOOST_CHECK((calibrated_range(x, {.bits = 8}, Calibration::percentile) == ValueRange{-2, 2}));
  BOOST_CHECK((calibrated_range(x, {8, false, true}, Calibration::percentile) == ValueRange{-2, 0}));
}

BOOST_AUTO_TEST_CASE(percentile_on_a_histogram_is_the_lower_edge_of_its_bin) {
  const std::vector<double> counts{50, 30, 15, 4, 1};  // cumulative 0.5, 0.8, 0.95, 0.99, 1
  const HistogramView histogram{counts, 0.5, 2.5f};
  BOOST_TEST(percentile_threshold(histogram, 79) == 0.5f);
  BOOST_TEST(percentile_threshold(histogram, 81) == 1.0f);
  BOOST_TEST(percentile_threshold(histogram, 99.5) == 2.0f);
  BOOST_TEST(percentile_threshold(histogram, 40) == 0.5f);  // not zero
}

BOOST_AUTO_TEST_CASE(octav_is_its_newton_iteration) {
  for (int bits = 2; bits <= 8; ++bits)
    for (bool heavy : {false, true}) {
      const auto x = sample(5000, 4, 0, heavy);
      const double k = std::pow(4.0, -bits);
      BOOST_TEST(static_cast<double>(calibrated_range(x, {.bits = bits}, Calibration::octav).high) ==
                     plain_octav(x, k / 3, 20),
                 tolerance(1e-6));
      auto positive = x;
      for (float& v : positive) v = std::abs(v);
      BOOST_TEST(
          static_cast<double>(calibrated_range(positive, {bits, false, false}, Calibration::octav).high) ==
              plain_octav(positive, k / 12, 20),
          tolerance(1e-6));
    }
  // By hand, one step: magnitudes 1, 1, 4; s = 2, then 4 / (2 k + 1) with k = 1/48.
  const std::vector<float> x{1, -1, 4};
  BOOST_TEST(static_cast<double>(octav_threshold(std::vector<float>{1, 1, 4}, 2, true)) == 4 / (2.0 / 48 + 1),
             tolerance(1e-6));
  BOOST_TEST(calibrated_range(x, {.bits = 2}, Calibration::octav).high == 3.84f, tolerance(1e-6f));
}

BOOST_AUTO_TEST_CASE(mse_errs_no_more_than_any_of_a_hundred_thresholds) {
  for (int bits : {2, 4, 8})
    for (bool affine : {false, true})
      for (bool is_signed : {false, true}) {
        const Integers integers{bits, is_signed, affine};
        const auto x = sample(1500, 5, 0.7, true);
        const ValueRange whole = calibrated_range(x, integers, Calibration::minmax);
        const ValueRange best = calibrated_range(x, integers, Calibration::mse);
        for (int step = 1; step <= 100; ++step) {
          const float share = static_cast<float>(step) / 100;
          BOOST_TEST(plain_error(x, best, integers) <=
                     plain_error(x, {whole.low * share, whole.high * share}, integers) * (1 + 1e-4));
        }
      }
}

BOOST_AUTO_TEST_CASE(octav_errs_little_more_than_mse) {
  for (int bits : {4, 6, 8}) {
    const auto x = sample(20000, 6);
    const Integers integers{.bits = bits};
    BOOST_TEST(plain_error(x, calibrated_range(x, integers, Calibration::octav), integers) <=
               1.1 * plain_error(x, calibrated_range(x, integers, Calibration::mse), integers));
  }
}

BOOST_AUTO_TEST_CASE(kl_haq_is_its_definition_below_five_bits_and_the_largest_value_above) {
  for (int bits = 2; bits <= 4; ++bits)
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const auto x = sample(400 * seed, seed, 0.1, seed % 2 == 0);
      BOOST_TEST(static_cast<double>(calibrated_range(x, {.bits = bits}, Calibration::kl_haq).high) ==
                     plain_haq(x, bits),
                 tolerance(1e-6));
    }
  const auto x = sample(1000, 9);
  BOOST_CHECK((calibrated_range(x, {.bits = 5}, Calibration::kl_haq) ==
               calibrated_range(x, {.bits = 5}, Calibration::minmax)));
}

BOOST_AUTO_TEST_CASE(haqs_bins_are_numpys) {
  BOOST_TEST(haq_bins(100, 0, 5) == 10);
  BOOST_TEST(haq_bins(101, 0, 5) == 11);
  BOOST_TEST(haq_bins(100, 2.5f, 5) == 20);  // the width follows the values' spread, the bins begin at zero
  BOOST_TEST(haq_bins(100, 5, 5) == 1);
}

BOOST_AUTO_TEST_CASE(bins_are_merged_in_proportion) {
  const std::vector<double> counts{4, 2, 6, 3, 1, 8};
  BOOST_TEST(rebinned({counts, 1, 6}, 2) == (std::vector<double>{12, 12}), boost::test_tools::per_element());
  BOOST_TEST(rebinned({counts, 1, 6}, 4) == (std::vector<double>{5, 7, 3.5, 8.5}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(few_samples_keep_their_range_under_kl) {
  // Every bin of one value is as likely as any other: spreading changes nothing, and ties go to the larger.
  const std::vector<float> x{0.1f, -0.35f, 0.62f, 1};
  BOOST_TEST(calibrated_range(x, {.bits = 8}, Calibration::kl).high == 1);
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_refused_by_name) {
  for (const CalibrationRow& row : calibration_methods()) {
    const std::vector<float> nan{1, std::nanf(""), 3}, infinite{-std::numeric_limits<float>::infinity()};
    BOOST_TEST(problem_of([&] { calibrated_range(nan, {.bits = 8}, row.kind, "conv1.weight"); }) ==
               "conv1.weight: values hold NaN at element 1 of 3; quantization needs finite numbers");
    BOOST_TEST(problem_of([&] { calibrated_range(infinite, {.bits = 8}, row.kind, "x"); }) ==
               "x: values hold infinity at element 0 of 1; quantization needs finite numbers");
  }
}

BOOST_AUTO_TEST_CASE(a_method_that_knows_no_zero_point_is_refused_with_those_that_do) {
  const std::vector<float> x{1, 2};
  BOOST_TEST(
      problem_of([&] {
        calibrated_range(x, {8, true, true}, Calibration::kl_haq, "fc");
      }) ==
      "fc: calibration 'kl_haq' knows no zero point; allowed here: minmax, ema, mse, percentile, mse_fine");
}

BOOST_AUTO_TEST_CASE(mse_of_a_full_range_is_the_best_of_its_own_grid) {
  const auto x = sample(3000, 4, 0, true);
  float max = 0;
  for (float v : x) max = std::max(max, std::abs(v));
  for (int bits : {2, 3, 4}) {
    const int half = 1 << (bits - 1);
    const auto error = [&](float threshold) {
      double sum = 0;
      const double scale = static_cast<double>(threshold) / (half - 0.5);
      for (float v : x) {
        const double q =
            std::clamp(std::nearbyint(static_cast<double>(v) / scale), double(-half), half - 1.0);
        sum += std::pow(q * scale - static_cast<double>(v), 2);
      }
      return sum;
    };
    double least = INFINITY;
    for (int i = 1; i <= 100; ++i) least = std::min(least, error(max * static_cast<float>(i) / 100));
    BOOST_TEST(error(full_range_threshold(x, bits, false, "x")) <= least * (1 + 1e-5));
  }
}

BOOST_AUTO_TEST_SUITE_END()
