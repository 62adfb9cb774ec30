#include <boost/test/unit_test.hpp>

#include <chrono>
#include <thread>

#include "hwmodels/measurement.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/error.hpp"

using namespace bitsmith;

namespace {

/// Adds numbers and counts how often it was asked to.
class Summation : public hwmodels::Subject {
 public:
  Summation(int terms, int copies) : terms_(terms), used(static_cast<std::size_t>(copies)) {}
  void run() override {
    ++runs;
    volatile double sum = 0;
    for (int i = 0; i < terms_; ++i) sum = sum + i;
  }
  int cold_copies() const override { return static_cast<int>(used.size()); }
  void run_cold(int copy) override {
    run();
    ++used[static_cast<std::size_t>(copy)];
  }

 private:
  int terms_;

 public:
  int runs = 0;
  std::vector<int> used;
};

hwmodels::MeasurementOptions quick() {
  hwmodels::MeasurementOptions options;
  options.samples = 5;
  options.sample_ms = 0.02;
  options.max_attempts = 2;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(measurement)

BOOST_AUTO_TEST_CASE(the_median_of_an_even_number_is_the_mean_of_the_middle_two) {
  BOOST_TEST(hwmodels::median({4.0}) == 4.0);
  BOOST_TEST(hwmodels::median({9.0, 1.0, 5.0}) == 5.0);
  BOOST_TEST(hwmodels::median({9.0, 1.0, 5.0, 2.0}) == 3.5);
  BOOST_CHECK_THROW(hwmodels::median({}), base::InternalError);
}

BOOST_AUTO_TEST_CASE(spread_is_relative_to_the_minimum) {
  hwmodels::Timing timing;
  timing.samples_us = {12.0, 10.0, 11.0};
  BOOST_TEST(timing.min_us() == 10.0);
  BOOST_TEST(timing.median_us() == 11.0);
  BOOST_TEST(timing.spread() == 0.1, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(every_subject_gets_all_its_samples_warm_and_cold) {
  Summation small(50, 0), large(5000, 3);
  hwmodels::Subject* subjects[] = {&small, &large};
  int last_done = 0, last_total = 0;
  const auto result = hwmodels::measure(subjects, quick(), [&](int done, int total) {
    BOOST_TEST(done > last_done);
    last_done = done;
    last_total = total;
  });
  BOOST_TEST(last_done == last_total);
  BOOST_REQUIRE(result.warm.size() == 2u);
  BOOST_REQUIRE(result.cold.size() == 2u);
  BOOST_TEST(result.warm[0].samples_us.size() == 5u);
  BOOST_TEST(result.warm[1].samples_us.size() == 5u);
  BOOST_TEST(result.cold[0].samples_us.empty());
  BOOST_TEST(result.cold[1].samples_us.size() == 5u);
  BOOST_TEST(result.cold[1].runs_per_sample == 3 * quick().cold_rounds);
  BOOST_TEST(result.warm[0].runs_per_sample > result.warm[1].runs_per_sample);
  for (const auto& timing : {result.warm[0], result.warm[1], result.cold[1]})
    for (double sample : timing.samples_us) BOOST_TEST(sample >= 0.0);
  BOOST_TEST(result.canaries.size() >= 5u);
  for (const hwmodels::Canary& canary : result.canaries)
    BOOST_TEST((canary.chain_ns > 0 && canary.stream_ns > 0));
}

BOOST_AUTO_TEST_CASE(each_cold_copy_is_used_once_per_round_of_a_sample) {
  Summation subject(10, 4);
  hwmodels::Subject* subjects[] = {&subject};
  const auto result = hwmodels::measure(subjects, quick());
  const int attempts = static_cast<int>(result.cold[0].attempts);
  // Once before the first sample, then once per round of each sample of each attempt at it.
  for (int used : subject.used) BOOST_TEST(used == 1 + 5 * attempts * quick().cold_rounds);
}

BOOST_AUTO_TEST_CASE(the_middle_mean_is_deaf_to_outliers_and_finer_than_a_median) {
  BOOST_TEST(hwmodels::middle_mean({7}) == 7);
  BOOST_TEST(hwmodels::middle_mean({1, 2}) == 1.5);
  BOOST_TEST(hwmodels::middle_mean({100, 1, 2, 3, 4, -50, 2, 3}) == 2.5);  // of 2, 2, 3, 3
}

BOOST_AUTO_TEST_CASE(noisy_subjects_are_measured_again_but_not_for_ever) {
  Summation subject(10, 0);
  hwmodels::Subject* subjects[] = {&subject};
  hwmodels::MeasurementOptions options = quick();
  options.max_spread = -1;  // nothing is quiet enough
  options.max_attempts = 3;
  const auto result = hwmodels::measure(subjects, options);
  BOOST_TEST(result.warm[0].attempts == 3);
  BOOST_TEST(result.warm[0].samples_us.size() == 5u);
  BOOST_TEST(result.canaries.size() == 15u);
}

BOOST_AUTO_TEST_CASE(nothing_to_measure_is_measured_at_once) {
  BOOST_TEST(hwmodels::measure({}, quick()).canaries.empty());
}

BOOST_AUTO_TEST_CASE(the_clock_goes_forward) {
  const auto start = hwmodels::now_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  BOOST_TEST(hwmodels::now_ns() - start >= 2'000'000);
}

BOOST_AUTO_TEST_CASE(the_median_canary_is_taken_field_by_field) {
  const hwmodels::Canary canary = hwmodels::median_canary({{1, 30}, {2, 20}, {3, 10}});
  BOOST_TEST(canary.chain_ns == 2.0);
  BOOST_TEST(canary.stream_ns == 20.0);
  BOOST_TEST(hwmodels::median_canary({}).chain_ns == 0.0);
}

BOOST_AUTO_TEST_SUITE_END()
