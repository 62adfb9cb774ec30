#include "trainer/schedule.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <numbers>
#include <utility>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

TrainOptions options_of(ScheduleKind kind, double warmup_epochs = 0.0) {
  TrainOptions options;
  options.schedule = kind;
  options.learning_rate = 1.0;
  options.warmup_epochs = warmup_epochs;
  return options;
}

constexpr double kExact = 1e-12;

}  // namespace

BOOST_AUTO_TEST_SUITE(schedule)

BOOST_AUTO_TEST_CASE(a_constant_rate_stays) {
  const Schedule schedule(options_of(ScheduleKind::constant), 10, 100);
  for (std::int64_t step : {0, 50, 99, 1000}) BOOST_TEST(schedule.rate(step) == 1.0);
}

BOOST_AUTO_TEST_CASE(warm_up_rises_in_equal_steps_to_the_full_rate) {
  const Schedule schedule(options_of(ScheduleKind::constant, 0.4), 10, 100);
  const double expected[] = {0.25, 0.5, 0.75, 1.0, 1.0};
  for (int step = 0; step < 5; ++step)
    BOOST_TEST(schedule.rate(step) == expected[step], boost::test_tools::tolerance(kExact));
}

BOOST_AUTO_TEST_CASE(the_cosine_falls_from_the_full_rate_through_half_towards_zero) {
  const Schedule schedule(options_of(ScheduleKind::cosine, 1.0), 10, 30);
  BOOST_TEST(schedule.rate(10) == 1.0, boost::test_tools::tolerance(kExact));
  BOOST_TEST(schedule.rate(20) == 0.5, boost::test_tools::tolerance(kExact));
  BOOST_TEST(schedule.rate(29) > 0.0);
  BOOST_TEST(schedule.rate(29) < 0.01);
  BOOST_TEST(schedule.rate(30) < kExact);
  for (std::int64_t step = 10; step < 30; ++step) BOOST_TEST(schedule.rate(step) > schedule.rate(step + 1));
}

BOOST_AUTO_TEST_CASE(steps_multiply_the_rate_at_their_epochs) {
  TrainOptions options = options_of(ScheduleKind::step);
  options.step_epochs = {1.0, 2.5};
  options.step_factor = 0.1;
  const Schedule schedule(options, 10, 40);
  BOOST_TEST(schedule.rate(9) == 1.0);
  BOOST_TEST(schedule.rate(10) == 0.1, boost::test_tools::tolerance(kExact));
  BOOST_TEST(schedule.rate(24) == 0.1, boost::test_tools::tolerance(kExact));
  BOOST_TEST(schedule.rate(25) == 0.01, boost::test_tools::tolerance(kExact));
}

BOOST_AUTO_TEST_CASE(restarts_repeat_the_cosine_over_periods_that_grow) {
  TrainOptions options = options_of(ScheduleKind::cosine_restarts, 0.5);
  options.restart_epochs = 1.0;
  options.restart_factor = 2.0;
  const Schedule schedule(options, 10, 100);
  // Warm-up to step 5, then periods of 10, 20 and 40 steps: equation 5 of the paper.
  for (const auto& [begin, length] : {std::pair{5, 10}, std::pair{15, 20}, std::pair{35, 40}})
    for (int t = 0; t < length; ++t)
      BOOST_TEST(schedule.rate(begin + t) == 0.5 * (1.0 + std::cos(std::numbers::pi * t / length)),
                 boost::test_tools::tolerance(kExact));
  options.restart_factor = 1.0;
  const Schedule equal(options, 10, 100);
  for (int step = 5; step < 85; ++step)
    BOOST_TEST(equal.rate(step) == equal.rate(step + 10), boost::test_tools::tolerance(kExact));
  options.restart_factor = 1.5;
  const Schedule fractional(options, 10, 100);
  BOOST_TEST(fractional.rate(5 + 10 + 15) == 1.0, boost::test_tools::tolerance(kExact));
}

BOOST_AUTO_TEST_CASE(periods_that_are_none_or_shrink_are_refused) {
  TrainOptions options = options_of(ScheduleKind::cosine_restarts);
  options.restart_epochs = 0.0;
  BOOST_CHECK_THROW(Schedule(options, 10, 40), base::UserError);
  options = options_of(ScheduleKind::cosine_restarts);
  options.restart_factor = 0.5;
  BOOST_CHECK_THROW(Schedule(options, 10, 40), base::UserError);
}

BOOST_AUTO_TEST_CASE(epochs_become_steps_and_never_none_unless_asked) {
  TrainOptions options;
  options.epochs = 2.5;
  BOOST_TEST(total_steps(options, 10) == 25);
  options.epochs = 0.001;
  BOOST_TEST(total_steps(options, 10) == 1);
  options.epochs = 0.0;
  BOOST_TEST(total_steps(options, 10) == 0);
  options.epochs = -1.0;
  BOOST_CHECK_THROW(total_steps(options, 10), base::UserError);
}

BOOST_AUTO_TEST_CASE(unsorted_steps_and_negative_warm_up_are_refused) {
  TrainOptions options = options_of(ScheduleKind::step);
  options.step_epochs = {3.0, 1.0};
  BOOST_CHECK_THROW(Schedule(options, 10, 40), base::UserError);
  BOOST_CHECK_THROW(Schedule(options_of(ScheduleKind::cosine, -1.0), 10, 40), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
