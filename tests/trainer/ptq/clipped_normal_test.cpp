#include "trainer/ptq/clipped_normal.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

using bitsmith::trainer::ptq::clipped_normal_mean;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The integral itself, by the midpoint rule over 12 deviations on either side.
double integrated(double mean, double deviation, double low, double high) {
  constexpr int kSteps = 200000;
  double sum = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double z = -12 + 24 * (i + 0.5) / kSteps;
    sum += std::clamp(mean + deviation * z, low, high) * std::exp(-0.5 * z * z);
  }
  return sum * 24 / kSteps / std::sqrt(2 * std::numbers::pi);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(clipped_normal)

BOOST_AUTO_TEST_CASE(it_is_the_integral) {
  for (double mean : {-5.0, -0.3, 0.0, 1.0, 5.5, 9.0})
    for (double deviation : {0.01, 0.7, 4.0})
      for (double high : {6.0, kInfinity}) {
        BOOST_TEST_CONTEXT(mean << " " << deviation << " " << high)
        BOOST_TEST(std::abs(clipped_normal_mean(mean, deviation, 0, high) -
                            integrated(mean, deviation, 0, high)) < 1e-8);
      }
  BOOST_TEST(clipped_normal_mean(1.5, 2.0, -kInfinity, kInfinity) == 1.5);
}

BOOST_AUTO_TEST_CASE(without_deviation_it_is_the_clipped_mean) {
  BOOST_TEST(clipped_normal_mean(-2, 0, 0, kInfinity) == 0);
  BOOST_TEST(clipped_normal_mean(2, 0, 0, kInfinity) == 2);
  BOOST_TEST(clipped_normal_mean(7, 0, 0, 6) == 6);
}

BOOST_AUTO_TEST_SUITE_END()
