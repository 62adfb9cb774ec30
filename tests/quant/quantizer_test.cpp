#include "quant/quantizer.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

BOOST_AUTO_TEST_SUITE(quantizer)

BOOST_AUTO_TEST_CASE(signed_ranges_are_narrow_and_unsigned_ranges_are_full) {
  BOOST_TEST((integer_range(2, true) == IntegerRange{-1, 1}));
  BOOST_TEST((integer_range(4, true) == IntegerRange{-7, 7}));
  BOOST_TEST((integer_range(8, true) == IntegerRange{-127, 127}));
  BOOST_TEST((integer_range(1, false) == IntegerRange{0, 1}));
  BOOST_TEST((integer_range(8, false) == IntegerRange{0, 255}));
}

BOOST_AUTO_TEST_CASE(one_signed_bit_and_nine_bits_are_refused) {
  BOOST_CHECK_THROW(integer_range(1, true), base::InternalError);
  BOOST_CHECK_THROW(integer_range(0, false), base::InternalError);
  BOOST_CHECK_THROW(integer_range(9, false), base::InternalError);
  BOOST_CHECK_THROW(integer_range(9, true), base::InternalError);
}

BOOST_AUTO_TEST_CASE(every_row_of_the_table_round_trips_its_integers) {
  std::set<std::string_view> names;
  for (const QuantizerRow& row : quantizer_rows()) {
    BOOST_TEST(names.insert(row.name).second);
    for (int bits = row.min_bits; bits <= row.max_bits; ++bits) {
      const IntegerRange range = integer_range(bits, row.is_signed);
      for (float scale : {1.0f, 0.037f, 1e-30f, 1e30f})
        for (int q = range.low; q <= range.high; ++q)
          BOOST_TEST(quantize_one(dequantize_one(q, scale), scale, range) == q);
    }
    BOOST_TEST(!row.serves(row.max_bits + 1));
    BOOST_TEST(!row.serves(row.min_bits - 1));
  }
  BOOST_TEST(weight_quantizer(Granularity::tensor).name == "weight_tensor");
  BOOST_TEST(weight_quantizer(Granularity::channel).name == "weight_channel");
  BOOST_TEST(activation_quantizer(true).name == "activation_signed");
  BOOST_TEST(activation_quantizer(false).name == "activation_unsigned");
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_even_integer) {
  const IntegerRange range = integer_range(4, true);
  const std::vector<std::pair<float, int>> ties = {{0.5f, 0},  {1.5f, 2},   {2.5f, 2},
                                                   {-0.5f, 0}, {-1.5f, -2}, {-2.5f, -2}};
  for (const auto& [x, q] : ties) BOOST_TEST(quantize_one(x, 1, range) == q);
}

BOOST_AUTO_TEST_CASE(the_error_inside_the_range_is_at_most_half_a_step) {
  base::Rng rng(3);
  for (int bits = 2; bits <= 8; ++bits) {
    const IntegerRange range = integer_range(bits, true);
    const float scale = scale_of_threshold(3.0f, range);
    for (int i = 0; i < 1000; ++i) {
      const float x = static_cast<float>(rng.uniform(-3, 3));
      // A ten-thousandth of a step more, for the rounding of x / scale itself.
      BOOST_TEST(std::abs(fake_quantize_one(x, scale, range) - x) <= 0.5001f * scale);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_lies_outside_is_clamped_before_it_becomes_an_integer) {
  const IntegerRange range = integer_range(8, false);
  const float huge = std::numeric_limits<float>::infinity();
  BOOST_TEST(quantize_one(huge, 1, range) == 255);
  BOOST_TEST(quantize_one(-huge, 1, range) == 0);
  BOOST_TEST(quantize_one(1e30f, 1e-30f, range) == 255);
  BOOST_TEST(quantize_one(std::nanf(""), 1, range) == 0);
}

BOOST_AUTO_TEST_CASE(a_zero_threshold_gives_unit_scale_and_zeros) {
  const IntegerRange range = integer_range(8, true);
  BOOST_TEST(scale_of_threshold(0, range) == 1);
  BOOST_TEST(fake_quantize_one(0, scale_of_threshold(0, range), range) == 0);
}

BOOST_AUTO_TEST_CASE(a_scale_is_finite_and_normal_however_small_or_large_the_threshold) {
  const IntegerRange range = integer_range(8, true);
  for (float threshold :
       {std::numeric_limits<float>::denorm_min(), 1e-38f, 1e-30f, 1e30f, std::numeric_limits<float>::max()})
    BOOST_TEST(std::isnormal(scale_of_threshold(threshold, range)));
  BOOST_CHECK_THROW(scale_of_threshold(-1, range), base::InternalError);
  BOOST_CHECK_THROW(scale_of_threshold(std::nanf(""), range), base::InternalError);
}

BOOST_AUTO_TEST_CASE(the_element_that_sets_the_threshold_keeps_its_gradient) {
  base::Rng rng(5);
  for (int bits = 2; bits <= 8; ++bits)
    for (int i = 0; i < 200; ++i) {
      const float largest = static_cast<float>(rng.uniform(0.001, 10));
      const IntegerRange range = integer_range(bits, true);
      const float scale = scale_of_threshold(largest, range);
      BOOST_TEST(gradient_passes(largest, scale, range));
      BOOST_TEST(gradient_passes(-largest, scale, range));
      BOOST_TEST(!gradient_passes(largest + 0.51f * scale, scale, range));
    }
  BOOST_TEST(!gradient_passes(std::nanf(""), 1, integer_range(8, true)));
}

BOOST_AUTO_TEST_CASE(whole_tensors_use_each_channels_own_scale) {
  const std::vector<float> x = {1, 2, 10, 20}, scales = {1, 10};
  const IntegerRange range = integer_range(2, true);
  BOOST_TEST(reference_quantize(x, scales, range) == (std::vector<int>{1, 1, 1, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(reference_fake_quantize(x, scales, range) == (std::vector<float>{1, 1, 10, 10}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(reference_quantize(x, std::vector<float>{1, 1, 1}, range), base::InternalError);
}

BOOST_AUTO_TEST_SUITE_END()
