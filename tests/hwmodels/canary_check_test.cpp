#include "hwmodels/canary_check.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

using namespace bitsmith;
using hwmodels::Canary;
using hwmodels::CanaryVerdict;
using hwmodels::compare_canaries;

namespace {

constexpr double kTolerance = 0.25;  // 1 + it is exact in binary, and so is the border
const Canary kTable{.chain_ns = 1.0, .stream_ns = 20.0, .vector_ns = 0.5};

void check_silent(const CanaryVerdict& verdict) {
  BOOST_TEST(verdict.stale == "");
  BOOST_TEST(verdict.warning == "");
}

/// Which of the sentences holds both figures, as "clock loop takes A ns now and took B ns".
void check_says(const std::string& sentence, const std::string& figures) {
  BOOST_TEST(sentence.find(figures) != std::string::npos, sentence);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(canary_check)

BOOST_AUTO_TEST_CASE(equal_canaries_say_nothing) {
  check_silent(compare_canaries(kTable, kTable, kTolerance));
}

BOOST_AUTO_TEST_CASE(a_machine_whose_clock_is_faster_now_makes_the_table_stale) {
  const CanaryVerdict verdict = compare_canaries(kTable, {0.75, 20.0, 0.5}, kTolerance);
  check_says(verdict.stale, "the clock loop takes 0.750 ns now and took 1.000 ns when the table was made");
  BOOST_TEST(verdict.stale.find("vector") == std::string::npos, verdict.stale);
  BOOST_TEST(verdict.warning == "");
}

BOOST_AUTO_TEST_CASE(a_machine_whose_vector_units_are_free_now_makes_the_table_stale) {
  const CanaryVerdict verdict = compare_canaries(kTable, {1.0, 20.0, 0.25}, kTolerance);
  check_says(verdict.stale, "the vector loop takes 0.250 ns now and took 0.500 ns when the table was made");
  BOOST_TEST(verdict.stale.find("clock loop") == std::string::npos, verdict.stale);
}

BOOST_AUTO_TEST_CASE(a_machine_that_is_slower_now_keeps_the_table_and_warns) {
  const CanaryVerdict clock = compare_canaries(kTable, {1.5, 20.0, 0.5}, kTolerance);
  BOOST_TEST(clock.stale == "");
  check_says(clock.warning, "the clock loop takes 1.500 ns now and took 1.000 ns when the table was made");
  const CanaryVerdict vectors = compare_canaries(kTable, {1.0, 20.0, 1.0}, kTolerance);
  BOOST_TEST(vectors.stale == "");
  check_says(vectors.warning, "the vector loop takes 1.000 ns now and took 0.500 ns");
  const CanaryVerdict both = compare_canaries(kTable, {1.5, 20.0, 1.0}, kTolerance);
  check_says(both.warning, "clock loop");
  check_says(both.warning, "vector loop");
}

BOOST_AUTO_TEST_CASE(differences_within_the_tolerance_say_nothing) {
  check_silent(compare_canaries(kTable, {1.25, 20.0, 0.625}, kTolerance));
  check_silent(compare_canaries({1.25, 20.0, 0.625}, kTable, kTolerance));
  BOOST_TEST(compare_canaries(kTable, {1.26, 20.0, 0.5}, kTolerance).warning != "");
  BOOST_TEST(compare_canaries({1.26, 20.0, 0.5}, kTable, kTolerance).stale != "");
  check_silent(compare_canaries({1e6, 20.0, 1e6}, kTable, std::numeric_limits<double>::infinity()));
}

BOOST_AUTO_TEST_CASE(where_one_loop_is_faster_and_one_slower_the_table_is_stale) {
  const CanaryVerdict verdict = compare_canaries(kTable, {0.5, 20.0, 1.0}, kTolerance);
  BOOST_TEST(verdict.stale != "");
  BOOST_TEST(verdict.warning == "");
}

BOOST_AUTO_TEST_CASE(the_caches_are_not_judged) {
  check_silent(compare_canaries(kTable, {1.0, 1.0, 0.5}, kTolerance));
  check_silent(compare_canaries(kTable, {1.0, 400.0, 0.5}, kTolerance));
}

BOOST_AUTO_TEST_CASE(loops_without_a_time_are_left_out) {
  check_silent(compare_canaries({}, kTable, kTolerance));
  check_silent(compare_canaries(kTable, {}, kTolerance));
}

BOOST_AUTO_TEST_SUITE_END()
