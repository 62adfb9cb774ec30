#include "trainer/kernels/quantizer_passes.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <vector>

#include "quant/base/cpu.hpp"
#include "quant/base/random.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

/// Odd lengths, and values beyond both ends.
struct Numbers {
  std::vector<float> x, d;
  Numbers() {
    base::Rng rng(5);
    for (int i = 0; i < 203; ++i) {
      x.push_back(static_cast<float>(rng.uniform(-3, 3)));
      d.push_back(static_cast<float>(rng.normal()));
    }
  }
  std::int64_t size() const { return std::ssize(x); }
};

double rounded(double v) { return std::nearbyint(v); }

}  // namespace

BOOST_AUTO_TEST_SUITE(quantizer_passes_suite)

BOOST_AUTO_TEST_CASE(values_and_gradients_under_step_and_offset_are_those_of_the_formulas) {
  Numbers numbers;
  const float scale = 0.37f, offset = -0.21f, low = -3, high = 4;
  std::vector<float> y(numbers.x.size()), d = numbers.d;
  quantizer_passes().offset_quantize(numbers.x.data(), numbers.size(), scale, offset, low, high, y.data());
  double step = 1, shift = 2;  // what is there is added to
  quantizer_passes().step_backward(numbers.x.data(), numbers.size(), scale, offset, low, high, d.data(),
                                   &step, &shift);
  double wanted_step = 1, wanted_shift = 2;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double v = static_cast<double>((numbers.x[i] - offset) / scale);
    const double q = rounded(std::clamp(v, -3.0, 4.0)), g = static_cast<double>(numbers.d[i]);
    const bool inside = v >= -3 && v <= 4;
    BOOST_TEST(std::abs(static_cast<double>(y[i]) - (q * 0.37 - 0.21)) < 1e-6);
    BOOST_TEST(d[i] == (inside ? numbers.d[i] : 0.0f));
    wanted_step += g * (inside ? q - v : q);
    wanted_shift += inside ? 0 : g;
  }
  BOOST_TEST(std::abs(step - wanted_step) < 1e-4);
  BOOST_TEST(std::abs(shift - wanted_shift) < 1e-4);
}

BOOST_AUTO_TEST_CASE(a_clip_passes_what_lies_within_it_and_sums_what_does_not) {
  Numbers numbers;
  numbers.x[7] = 1.25f;  // on the edge
  std::vector<float> d = numbers.d;
  double above = 0, below = 0, wanted_above = 0, wanted_below = 0;
  quantizer_passes().clip_backward(numbers.x.data(), numbers.size(), 0.0f, 1.25f, d.data(), &above, &below);
  for (std::size_t i = 0; i < d.size(); ++i) {
    const float x = numbers.x[i];
    BOOST_TEST(d[i] == (x > 0 && x < 1.25f ? numbers.d[i] : 0.0f));
    if (x >= 1.25f) wanted_above += static_cast<double>(numbers.d[i]);
    if (x <= 0) wanted_below += static_cast<double>(numbers.d[i]);
  }
  BOOST_TEST(std::abs(above - wanted_above) < 1e-5);
  BOOST_TEST(std::abs(below - wanted_below) < 1e-5);
}

BOOST_AUTO_TEST_CASE(sums_are_the_same_with_every_instruction_set) {
  Numbers numbers;
  std::vector<float> first = numbers.d, second = numbers.d;
  double a[4] = {}, b[4] = {};
  const auto run = [&](const QuantizerPasses& passes, std::vector<float>& d, double* sums) {
    passes.step_backward(numbers.x.data(), numbers.size(), 0.11f, 0, -7, 7, d.data(), sums, sums + 1);
    passes.clip_backward(numbers.x.data(), numbers.size(), -0.5f, 0.5f, d.data(), sums + 2, sums + 3);
  };
  run(scalar::quantizer_passes, first, a);
  run(quantizer_passes(), second, b);
  BOOST_TEST(first == second, boost::test_tools::per_element());
  for (int i = 0; i < 4; ++i) BOOST_TEST(a[i] == b[i]);
}

BOOST_AUTO_TEST_CASE(zero_is_positive_where_there_are_two_levels) {
  const float x[] = {-0.5f, 0.0f, 2.0f, std::nanf("")};
  float y[4];
  quantizer_passes().two_levels(x, 4, 0.0f, -1.0f, 1.0f, y);
  const float wanted[] = {-1, 1, 1, 1};
  for (int i = 0; i < 4; ++i) BOOST_TEST(y[i] == wanted[i]);
}

BOOST_AUTO_TEST_SUITE_END()
