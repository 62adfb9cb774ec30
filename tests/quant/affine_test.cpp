#include "quant/affine.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/dynamic_range.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

constexpr IntegerRange kU8{0, 255}, kS8{-128, 127}, kU1{0, 1};

}  // namespace

BOOST_AUTO_TEST_SUITE(affine_ranges)

BOOST_AUTO_TEST_CASE(known_parameters) {
  BOOST_CHECK((affine_parameters({-1, 1.55f}, kU8) == AffineParameters{0.01f, 100}));
  BOOST_CHECK((affine_parameters({0, 255}, kU8) == AffineParameters{1, 0}));
  BOOST_CHECK((affine_parameters({-255, 0}, kU8) == AffineParameters{1, 255}));
  BOOST_CHECK((affine_parameters({-1, 254}, kS8) == AffineParameters{1, -127}));
  BOOST_CHECK((affine_parameters({-1, 0}, kU1) == AffineParameters{1, 1}));
  // low / scale = -2.5: rounded to even, then subtracted.
  BOOST_CHECK((affine_parameters({-2.5f, 252.5f}, kU8) == AffineParameters{1, 2}));
  BOOST_CHECK((affine_parameters_from_nearer_end({-2.5f, 252.5f}, kU8) == AffineParameters{1, 2}));
}

BOOST_AUTO_TEST_CASE(a_zero_range_has_scale_one) {
  for (IntegerRange integers : {kU8, kS8, kU1}) {
    BOOST_CHECK((affine_parameters({}, integers) == AffineParameters{1, integers.low}));
    BOOST_CHECK((affine_parameters_from_nearer_end({}, integers) == AffineParameters{1, integers.low}));
  }
}

BOOST_AUTO_TEST_CASE(scales_stay_finite_and_normal) {
  constexpr float kMax = std::numeric_limits<float>::max();
  for (ValueRange range : {ValueRange{-kMax, kMax}, ValueRange{0, 1e-45f}, ValueRange{-1e-42f, 1e-42f}})
    for (IntegerRange integers : {kU8, kS8, kU1})
      for (auto parameters : {affine_parameters, affine_parameters_from_nearer_end}) {
        const auto [scale, zero] = parameters(range, integers);
        BOOST_TEST(std::isnormal(scale));
        BOOST_TEST(zero >= integers.low);
        BOOST_TEST(zero <= integers.high);
      }
}

BOOST_AUTO_TEST_CASE(both_forms_agree_to_one_and_cover_the_range) {
  base::Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const ValueRange range{static_cast<float>(-std::exp(rng.normal() * 5)),
                           static_cast<float>(std::exp(rng.normal() * 5))};
    for (IntegerRange integers : {kU8, kS8}) {
      const auto a = affine_parameters(range, integers),
                 b = affine_parameters_from_nearer_end(range, integers);
      BOOST_TEST(a.scale == b.scale);
      BOOST_TEST(std::abs(a.zero_point - b.zero_point) <= 1);
      const float slack = 0.5f * a.scale * (1 + 1e-5f);
      BOOST_TEST(static_cast<float>(integers.low - a.zero_point) * a.scale <= range.low + slack);
      BOOST_TEST(static_cast<float>(integers.high - a.zero_point) * a.scale >= range.high - slack);
    }
  }
}

BOOST_AUTO_TEST_CASE(ranges_without_zero_are_programming_errors) {
  BOOST_CHECK_THROW(affine_parameters({1, 2}, kU8), base::InternalError);
  BOOST_CHECK_THROW(affine_parameters({-2, -1}, kU8), base::InternalError);
}

BOOST_AUTO_TEST_CASE(a_batch_is_widened_to_zero) {
  BOOST_CHECK((dynamic_u8(std::vector<float>{0.5f, 2.55f}) == AffineParameters{0.01f, 0}));
  BOOST_CHECK((dynamic_u8(std::vector<float>{-1, 1.55f}) == AffineParameters{0.01f, 100}));
  BOOST_CHECK((dynamic_u8(std::vector<float>(9, 0.0f)) == AffineParameters{1, 0}));
}

BOOST_AUTO_TEST_CASE(every_token_has_its_largest_magnitude_at_127) {
  const std::vector<float> rows{1, -12.7f, 0, 0, 0.127f, 0.1f};
  BOOST_TEST(dynamic_s8_per_token(rows, 3) == (std::vector<float>{12.7f / 127, 1, 0.127f / 127}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(dynamic_s8_per_token(rows, 4), base::InternalError);
  BOOST_CHECK_THROW(dynamic_s8_per_token(std::vector<float>{1, std::nanf("")}, 1), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
