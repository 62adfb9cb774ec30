#include "quant/weight_scales.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/quantizer.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

std::vector<float> normal_sample(std::size_t n, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(weight_scales_of_layers)

BOOST_AUTO_TEST_CASE(weights_have_one_scale_per_channel_or_tensor) {
  const std::vector<float> w = {0.1f, -0.7f, 7, 3};
  const auto channels = weight_scales(w, 2, 4, Granularity::channel, Calibration::minmax);
  BOOST_TEST(channels == (std::vector<float>{0.7f / 7, 1.0f}), boost::test_tools::per_element());
  BOOST_TEST(weight_scales(w, 2, 4, Granularity::tensor, Calibration::minmax).size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_all_zero_channel_dequantizes_to_zero) {
  std::vector<float> w = normal_sample(64, 6);
  std::fill(w.begin(), w.begin() + 32, 0.0f);
  for (const CalibrationRow& row : calibration_methods()) {
    if (!row.at_once) continue;
    const auto scales = weight_scales(w, 2, 3, Granularity::channel, row.kind);
    BOOST_TEST(scales[0] == 1.0f);
    const auto y = reference_fake_quantize(w, scales, integer_range(3, true));
    BOOST_TEST(std::all_of(y.begin(), y.begin() + 32, [](float v) { return v == 0.0f; }));
  }
}

BOOST_AUTO_TEST_CASE(mse_scales_of_weights_err_no_more_than_min_max_scales) {
  const auto w = normal_sample(16 * 144, 7);
  for (int bits = 2; bits <= 8; ++bits)
    for (Granularity granularity : {Granularity::channel, Granularity::tensor}) {
      const IntegerRange range = integer_range(bits, true);
      const auto total = [&](Calibration method) {
        const auto y = reference_fake_quantize(w, weight_scales(w, 16, bits, granularity, method), range);
        double sum = 0;
        for (std::size_t i = 0; i < w.size(); ++i) sum += std::pow(static_cast<double>(y[i] - w[i]), 2);
        return sum;
      };
      BOOST_TEST(total(Calibration::mse) <= total(Calibration::minmax) * (1 + 1e-6));
      BOOST_TEST(total(Calibration::kl) > 0);
    }
}

BOOST_AUTO_TEST_CASE(weights_that_are_not_finite_are_refused_by_name) {
  std::vector<float> w(16, 1.0f);
  w[5] = std::nanf("");
  try {
    weight_scales(w, 4, 4, Granularity::channel, Calibration::mse, "fc");
    BOOST_TEST(false, "it was accepted");
  } catch (const base::UserError& error) {
    BOOST_TEST(std::string(error.what()) ==
               "fc: weights hold NaN at element 5 of 16; quantization needs finite numbers");
  }
}

BOOST_AUTO_TEST_SUITE_END()
