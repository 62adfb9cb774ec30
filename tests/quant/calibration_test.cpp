#include "quant/calibration.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/thresholds.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

// Every row of the table, in its place.
const std::vector<Calibration> kAll = [] {
  std::vector<Calibration> all;
  for (const CalibrationRow& row : calibration_methods()) all.push_back(row.kind);
  return all;
}();

std::vector<float> normal_sample(std::size_t n, std::uint64_t seed, bool positive = false) {
  base::Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(positive ? std::abs(rng.normal()) : rng.normal());
  return x;
}

double error_of(const std::vector<float>& x, float threshold, IntegerRange range) {
  return quantization_error(x.data(), nullptr, static_cast<std::int64_t>(x.size()),
                            scale_of_threshold(threshold, range), range.low, range.high);
}

// The definition, bin by bin: candidates i, counts clipped into bin i - 1, spread over the levels' non-empty
// bins.
float naive_kl(std::vector<double> counts, double width, int levels) {
  counts[0] = counts[1];
  const std::size_t bins = counts.size();
  double least = std::numeric_limits<double>::infinity();
  std::size_t best = bins;
  for (std::size_t i = bins > 128 ? 128 : std::max<std::size_t>(bins / 16, 1); i <= bins; ++i) {
    std::vector<double> p(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(i)), q(i, 0);
    for (std::size_t j = i; j < bins; ++j) p[i - 1] += counts[j];
    const std::size_t l = static_cast<std::size_t>(levels);
    for (std::size_t level = 0; level < l; ++level) {
      double sum = 0, filled = 0;
      for (std::size_t j = 0; j < i; ++j)
        if (j * l / i == level && counts[j] > 0) sum += counts[j], filled += 1;
      for (std::size_t j = 0; j < i; ++j)
        if (j * l / i == level && counts[j] > 0) q[j] = sum / filled;
    }
    double p_all = 0, q_all = 0, kl = 0;
    for (std::size_t j = 0; j < i; ++j) p_all += p[j], q_all += q[j];
    for (std::size_t j = 0; j < i; ++j)
      if (p[j] > 0)
        kl += q[j] > 0 ? p[j] / p_all * std::log(p[j] / p_all / (q[j] / q_all))
                       : std::numeric_limits<double>::infinity();
    if (kl < least - 1e-12 || (kl <= least + 1e-12 && i > best && std::isfinite(kl))) least = kl, best = i;
  }
  return static_cast<float>(static_cast<double>(best) * width);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calibration)

BOOST_AUTO_TEST_CASE(a_batch_may_come_in_parts) {
  const std::vector<float> first = normal_sample(300, 1), second = normal_sample(500, 2);
  ActivationObserver whole, parts;
  for (const auto* batch : {&first, &second}) {
    whole.observe(*batch);
    for (std::size_t at = 0; at < batch->size(); at += 70)
      parts.observe_part({batch->data() + at, std::min<std::size_t>(70, batch->size() - at)});
    BOOST_CHECK_THROW(parts.threshold(8, true, Calibration::ema), base::InternalError);
    parts.end_batch();
  }
  for (Calibration method : kAll)
    BOOST_TEST(whole.threshold(4, true, method) == parts.threshold(4, true, method));
}

BOOST_AUTO_TEST_CASE(min_max_is_the_largest_magnitude_of_all_batches) {
  ActivationObserver observer;
  observer.observe(std::vector<float>{1, -3, 2});
  observer.observe(std::vector<float>{0.5f, 2.5f});
  BOOST_TEST(observer.threshold(8, true, Calibration::minmax) == 3);
  BOOST_TEST(observer.threshold(8, false, Calibration::minmax) == 2.5f);
  BOOST_TEST(observer.min() == -3);
  BOOST_TEST(observer.max() == 2.5f);
  BOOST_TEST(observer.observed() == 5);
}

BOOST_AUTO_TEST_CASE(the_moving_average_starts_at_the_first_batch_and_moves_by_a_hundredth) {
  ActivationObserver observer;
  observer.observe(std::vector<float>{-1, 4});
  BOOST_TEST(observer.threshold(8, true, Calibration::ema) == 4);
  observer.observe(std::vector<float>{-2, 14});
  const double expected = 4 + 0.01 * (14 - 4);
  BOOST_TEST(observer.threshold(8, true, Calibration::ema) == expected, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(all_zeros_give_a_zero_threshold) {
  ActivationObserver observer;
  observer.observe(std::vector<float>(100, 0.0f));
  for (Calibration method : kAll) BOOST_TEST(observer.threshold(4, false, method) == 0);
}

BOOST_AUTO_TEST_CASE(zeros_before_the_first_value_are_counted) {
  ActivationObserver late, early;
  late.observe(std::vector<float>(1000, 0.0f));
  late.observe(normal_sample(1000, 1));
  early.observe(normal_sample(1000, 1));
  early.observe(std::vector<float>(1000, 0.0f));
  for (Calibration method : kAll)
    if (method != Calibration::ema)
      BOOST_TEST(late.threshold(4, true, method) == early.threshold(4, true, method));
}

BOOST_AUTO_TEST_CASE(a_constant_and_a_single_element_keep_their_value) {
  for (float value : {3.7f, 1e-30f, 1e30f, 1e-42f})
    for (std::size_t n : {1u, 500u}) {
      ActivationObserver observer;
      observer.observe(std::vector<float>(n, value));
      for (Calibration method : kAll)
        for (int bits = 1; bits <= 8; ++bits) BOOST_TEST(observer.threshold(bits, false, method) == value);
    }
}

BOOST_AUTO_TEST_CASE(a_constant_among_zeros_keeps_its_value) {
  std::vector<float> x(1000, 0.0f);
  std::fill(x.begin() + 500, x.end(), 2.5f);
  ActivationObserver observer;
  observer.observe(x);
  for (Calibration method : kAll) BOOST_TEST(observer.threshold(3, false, method) == 2.5f);
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_are_refused_and_change_nothing) {
  ActivationObserver observer("stage2.conv1");
  observer.observe(std::vector<float>{1, 2});
  for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) try {
      observer.observe(std::vector<float>{9, 9, bad, 9});
      BOOST_TEST(false, "it was accepted");
    } catch (const base::UserError& error) {
      const std::string message = error.what();
      BOOST_TEST(message.find("stage2.conv1") != std::string::npos);
      BOOST_TEST(message.find(std::isnan(bad) ? "NaN" : "infinity") != std::string::npos);
      BOOST_TEST(message.find("element 2 of 4") != std::string::npos);
    }
  BOOST_TEST(observer.max() == 2);
  BOOST_TEST(observer.observed() == 2);
}

BOOST_AUTO_TEST_CASE(a_threshold_before_any_observation_is_a_programming_error) {
  BOOST_CHECK_THROW(ActivationObserver().threshold(8, true, Calibration::mse), base::InternalError);
}

BOOST_AUTO_TEST_CASE(mse_from_the_histogram_is_nearly_as_good_as_from_the_values) {
  const auto x = normal_sample(20000, 2);
  ActivationObserver observer;
  for (std::size_t at = 0; at < x.size(); at += 1000) observer.observe({x.data() + at, 1000});
  for (int bits = 2; bits <= 8; ++bits) {
    const IntegerRange range = integer_range(bits, true);
    double least = std::numeric_limits<double>::infinity();
    for (int step = 1; step <= 1000; ++step)
      least = std::min(least, error_of(x, observer.max() * static_cast<float>(step) / 1000, range));
    // Bins are 1/2048 of the range: within 2 % of the best of 1000 thresholds tried on the values themselves.
    BOOST_TEST(error_of(x, observer.threshold(bits, true, Calibration::mse), range) <= 1.02 * least);
    BOOST_TEST(error_of(x, observer.threshold(bits, true, Calibration::mse), range) <=
               error_of(x, observer.threshold(bits, true, Calibration::minmax), range) * (1 + 1e-9));
  }
}

BOOST_AUTO_TEST_CASE(fewer_bits_clip_more) {
  const auto x = normal_sample(20000, 3, true);
  ActivationObserver observer;
  observer.observe(x);
  float wider = observer.max();
  for (int bits = 8; bits >= 1; --bits) {
    const float threshold = observer.threshold(bits, false, Calibration::mse);
    BOOST_TEST(threshold <= wider);
    wider = threshold;
  }
  BOOST_TEST(wider < 0.6f * observer.max());
}

BOOST_AUTO_TEST_CASE(one_outlier_does_not_move_the_mse_threshold_to_itself) {
  auto x = normal_sample(20000, 4);
  x.push_back(100.0f);
  ActivationObserver observer;
  observer.observe(x);
  BOOST_TEST(observer.threshold(4, true, Calibration::mse) < 20.0f);
}

BOOST_AUTO_TEST_CASE(a_long_tail_is_clipped_under_kl) {
  base::Rng rng(8);
  std::vector<float> x(200000);
  for (float& v : x) v = static_cast<float>(std::min(12.0, -std::log(1 - rng.uniform())));
  ActivationObserver observer;
  observer.observe(x);
  BOOST_TEST(observer.threshold(4, false, Calibration::kl) < 0.9f * observer.max());
}

BOOST_AUTO_TEST_CASE(uniform_data_keep_their_full_range_under_kl) {
  std::vector<double> counts(2048, 50.0);
  BOOST_TEST(kl_threshold({counts, 1.0 / 2048, 1.0f}, integer_range(8, true)) == 1.0f);
}

BOOST_AUTO_TEST_CASE(kl_equals_its_definition_evaluated_naively) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    base::Rng rng(seed);
    const std::size_t bins = seed <= 3 ? 100 : 400;
    std::vector<double> counts(bins);
    for (int i = 0; i < 4000; ++i)
      ++counts[std::min(bins - 1,
                        static_cast<std::size_t>(std::abs(rng.normal()) * static_cast<double>(bins) / 5))];
    const IntegerRange range = integer_range(seed % 2 == 0 ? 4 : 3, seed % 3 != 0);
    const int levels = range.high + 1;  // 2^(b-1) signed, 2^b unsigned
    BOOST_TEST(kl_threshold({counts, 1.0, static_cast<float>(bins)}, range) == naive_kl(counts, 1.0, levels));
  }
}

BOOST_AUTO_TEST_CASE(kl_of_2048_bins_starts_at_bin_128_whatever_the_levels) {
  base::Rng rng(11);
  std::vector<double> counts(2048);
  for (int i = 0; i < 50000; ++i)
    ++counts[std::min<std::size_t>(2047, static_cast<std::size_t>(rng.below(140)))];
  counts[139] += 40000;  // a spike below the 256 levels of 8 unsigned bits, and a thin tail above
  for (std::size_t i = 200; i < 2048; i += 3) ++counts[i];
  const float threshold = kl_threshold({counts, 1.0, 2048.0f}, integer_range(8, false));
  BOOST_TEST(threshold == naive_kl(counts, 1.0, 256));
  BOOST_TEST(threshold < 256);
  BOOST_TEST(kl_threshold({counts, 1.0, 2048.0f}, integer_range(8, true)) == naive_kl(counts, 1.0, 128));
}

BOOST_AUTO_TEST_CASE(a_range_that_grows_a_thousandfold_still_gives_sensible_thresholds) {
  const auto x = normal_sample(5000, 5);
  std::vector<float> small = x;
  for (float& v : small) v *= 1e-3f;
  ActivationObserver growing;
  growing.observe(small);
  growing.observe(x);
  std::vector<float> both = small;
  both.insert(both.end(), x.begin(), x.end());
  ActivationObserver whole;
  whole.observe(both);
  // Bin edges differ by up to a factor of two; KL counts bins and is the coarser of the two.
  BOOST_TEST(growing.threshold(4, true, Calibration::mse) == whole.threshold(4, true, Calibration::mse),
             boost::test_tools::tolerance(0.05f));
  const float kl = growing.threshold(4, true, Calibration::kl);
  BOOST_TEST(kl > 1.0f);
  BOOST_TEST(kl <= growing.max());
}

BOOST_AUTO_TEST_CASE(the_largest_value_is_counted_wherever_its_place_is_rounded_to) {
  // 4 / width is just below 160 in double and 160 in float.
  ActivationObserver observer("x", {.bins = 128});
  observer.observe(std::vector<float>{0.1f, 0.2f});
  observer.observe(std::vector<float>{0.3f, 4.0f});
  BOOST_TEST(observer.threshold(8, true, {Calibration::percentile, 80}) > 3.9f);
}

BOOST_AUTO_TEST_CASE(an_observer_freezes_after_the_batches_it_was_told) {
  ActivationObserver observer("x", {.freeze_after = 2});
  observer.observe(std::vector<float>{1});
  BOOST_TEST(!observer.frozen());
  observer.observe(std::vector<float>{-2});
  BOOST_TEST(observer.frozen());
  observer.observe(std::vector<float>{100, std::nanf("")});
  BOOST_TEST(observer.max() == 1);
  BOOST_TEST(observer.min() == -2);
  BOOST_TEST(observer.observed() == 2);
}

BOOST_AUTO_TEST_CASE(every_method_agrees_with_itself_on_the_values_to_a_few_bins) {
  const auto x = normal_sample(50000, 12);
  ActivationObserver observer;
  observer.observe(x);
  const float bin = observer.max() / 2048;
  for (Calibration method : kAll)
    for (int bits : {2, 3, 4, 8}) {
      // Thresholds with the least error lie in a flat valley: histograms place them a little apart.
      const bool flat = is_mse(method) || method == Calibration::kl || method == Calibration::kl_haq;
      const float slack = flat ? 60 * bin : 2 * bin;
      BOOST_TEST_CONTEXT(calibration_name(method) << " at " << bits << " bits")
      BOOST_TEST(std::abs(observer.threshold(bits, true, method) -
                          calibrated_range(x, {.bits = bits}, method).high) <= slack);
    }
}

BOOST_AUTO_TEST_CASE(a_zero_point_takes_both_ends_of_what_was_observed) {
  std::vector<float> x = normal_sample(50000, 13);
  for (float& v : x) v = v * 0.5f + 1;
  ActivationObserver observer("fc");
  observer.observe(x);
  const float bin = observer.max() / 2048;
  for (const CalibrationRow& row : calibration_methods()) {
    if (row.symmetric_only) {
      BOOST_CHECK_THROW(observer.affine_range({.bits = 4}, row.kind), base::UserError);
      continue;
    }
    for (bool is_signed : {false, true}) {
      const Integers integers{.bits = 4, .is_signed = is_signed, .affine = true};
      const ValueRange streamed = observer.affine_range(integers, row.kind);
      const ValueRange whole = calibrated_range(x, integers, row.kind);
      BOOST_TEST(std::abs(streamed.low - whole.low) <= 4 * bin);
      BOOST_TEST(std::abs(streamed.high - whole.high) <= 4 * bin);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
