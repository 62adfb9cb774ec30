#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/encoding.hpp"
#include "quant/formats/minifloat.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

using Codes = std::vector<std::int32_t>;
using Numbers = std::vector<float>;
const auto kEach = boost::test_tools::per_element();

EncodingOptions rounded_away() {
  EncodingOptions options;
  options.rounding = Rounding::away;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(mx_format)

BOOST_AUTO_TEST_CASE(the_scale_is_the_largest_magnitudes_exponent_less_the_elements) {
  const std::vector<std::pair<const char*, int>> emax = {{"mxfp8_e4m3", 8}, {"mxfp8_e5m2", 15},
                                                         {"mxfp6_e3m2", 4}, {"mxfp6_e2m3", 2},
                                                         {"mxfp4", 2},      {"mxint8", 0}};
  for (const auto& [name, exponent] : emax)
    for (int power : {-100, -3, 0, 5, 100})
      for (float x : {1.0f, 1.5f, std::nextafter(2.0f, 0.0f)}) {
        const Encoded encoded = encode_flat({std::ldexp(x, power)}, named(name));
        BOOST_TEST(encoded.block_scales[0] == power - exponent + 127, name);
      }
}

BOOST_AUTO_TEST_CASE(numbers_above_the_largest_element_are_clipped_as_the_scale_is_rounded_down) {
  const Encoded encoded = encode_flat({7.9f, -7.9f, 5, 1}, kMxfp4);
  BOOST_TEST(encoded.block_scales == (Codes{127}), kEach);
  BOOST_TEST(encoded.codes == (Codes{7, 15, 6, 2}), kEach);
  BOOST_TEST(decode(encoded) == (Numbers{6, -6, 4, 1}), kEach);
  BOOST_TEST(encoded.clipped == 0.5);
}

BOOST_AUTO_TEST_CASE(halves_go_to_even_or_away_as_asked) {
  // Steps of 2 above 4, of 0.5 below 2.
  const Numbers x = {4, 5, 2.5f, 1.25f, 0.25f, -0.25f, -0.75f};
  BOOST_TEST(round_trip(x, kMxfp4) == (Numbers{4, 4, 2, 1, 0, 0, -1}), kEach);
  BOOST_TEST(round_trip(x, kMxfp4, rounded_away()) == (Numbers{4, 6, 3, 1.5f, 0.5f, -0.5f, -1}), kEach);
  BOOST_TEST(round_trip({1, 0.5f / 64, 1.5f / 64}, kMxint8) == (Numbers{1, 0, 2.0f / 64}), kEach);
  BOOST_TEST(
      round_trip({1, 0.5f / 64, 1.5f / 64}, kMxint8, rounded_away()) == (Numbers{1, 1.0f / 64, 2.0f / 64}),
      kEach);
}

BOOST_AUTO_TEST_CASE(mxint8_is_64ths_up_to_127_of_them) {
  const Encoded encoded = encode_flat({1.999f, -1.999f, 1, -0.25f}, kMxint8);
  BOOST_TEST(encoded.codes == (Codes{127, -127, 64, -16}), kEach);
  BOOST_TEST(decode(encoded)[0] == 127.0f / 64);
}

BOOST_AUTO_TEST_CASE(a_block_of_zeros_has_the_least_scale) {
  const Encoded encoded = encode_flat(Numbers(40, 0.0f), kMxfp8E4m3);
  BOOST_TEST(encoded.block_scales == (Codes{0, 0}), kEach);
  BOOST_TEST(encoded.codes == Codes(40, 0), kEach);
}

BOOST_AUTO_TEST_CASE(one_strange_number_makes_its_block_nan_and_no_other) {
  for (float strange : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Numbers x(96, 1.0f);
    x[40] = strange;
    const Encoded encoded = encode_flat(x, kMxfp6E2m3);
    BOOST_TEST(encoded.block_scales == (Codes{125, 255, 125}), kEach);
    const auto y = decode(encoded);
    for (std::size_t i = 0; i < y.size(); ++i) BOOST_TEST(std::isnan(y[i]) == (i / 32 == 1));
  }
}

BOOST_AUTO_TEST_CASE(scales_end_at_2_to_the_minus_127) {
  // 2^-140 / 2^-127 = 2^-13: below half of e4m3's least number, above e5m2's.
  const float x = std::ldexp(1.0f, -140);
  BOOST_TEST(encode_flat({x}, kMxfp8E4m3).block_scales[0] == 0);
  BOOST_TEST(round_trip({x}, kMxfp8E4m3)[0] == 0);
  BOOST_TEST(round_trip({x}, kMxfp8E5m2)[0] == x);
  const float most = std::numeric_limits<float>::max();
  BOOST_TEST(encode_flat({most}, kMxint8).block_scales[0] == 254);
  BOOST_TEST(round_trip({most}, kMxint8)[0] == std::ldexp(127.0f / 64, 127));
}

BOOST_AUTO_TEST_CASE(float64_exponents_are_not_rounded_to_float32) {
  const std::vector<double> x = {2 - 1e-12};  // float32: 2
  BOOST_TEST(encode(x, flat(1), kMxfp4).block_scales[0] == 127 - 2);
  BOOST_TEST(encode_flat({static_cast<float>(x[0])}, kMxfp4).block_scales[0] == 127 - 1);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(micro_exponent_format)

BOOST_AUTO_TEST_CASE(pairs_below_the_blocks_exponent_get_a_bit_more) {
  // E = 3: steps of 2^(3 - 6) = 1/8 in mx9, half of that in the pair of smaller numbers.
  const Encoded encoded = encode_flat({8, 1.0625f, 1.0625f, -7}, named("mx9"));
  BOOST_TEST(encoded.block_scales == (Codes{130}), kEach);
  BOOST_TEST(encoded.pair_shifts == (Codes{0, 1}), kEach);
  BOOST_TEST(encoded.codes == (Codes{64, 8, 17, -112}), kEach);
  BOOST_TEST(decode(encoded) == (Numbers{8, 1, 1.0625f, -7}), kEach);
}

BOOST_AUTO_TEST_CASE(mantissas_of_mx6_and_mx4_have_four_and_two_bits) {
  BOOST_TEST(round_trip({1, 0.9f, 0.3f, 0.3f}, named("mx6")) == (Numbers{1, 0.875f, 0.3125f, 0.3125f}),
             kEach);
  BOOST_TEST(round_trip({1, 0.9f, 0.3f, 0.3f}, named("mx4")) == (Numbers{1, 1, 0.25f, 0.25f}), kEach);
}

BOOST_AUTO_TEST_CASE(what_rounds_beyond_the_mantissa_is_clamped) {
  // 1.99 / 0.5 = 3.98 rounds to 4; two bits hold 3.
  const Encoded encoded = encode_flat({1.99f, 1, 0.99f, 0}, named("mx4"));
  BOOST_TEST(encoded.codes == (Codes{3, 2, 3, 0}), kEach);
  BOOST_TEST(decode(encoded) == (Numbers{1.5f, 1, 0.75f, 0}), kEach);
  BOOST_TEST(encoded.clipped == 0.5);
}

BOOST_AUTO_TEST_CASE(pairs_are_counted_along_the_axis) {
  const std::vector<std::int64_t> shape = {3, 2};
  EncodingOptions options;
  options.axis = 0;
  const Encoded encoded = encode(Numbers{4, 1, 1, 1, 1, 4}, shape, named("mx9"), options);
  BOOST_TEST(encoded.block_scales == (Codes{129, 129}), kEach);
  BOOST_TEST(encoded.pair_shifts == (Codes{0, 1, 1, 0}), kEach);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(nvfp4_format)

BOOST_AUTO_TEST_CASE(the_largest_block_has_the_largest_scale) {
  Numbers x(32, 0.0f);
  x[0] = 2688;  // 6 * 448: S = 1
  x[1] = -1344;
  x[16] = 12;
  x[17] = 1;
  const Encoded encoded = encode_flat(x, kNvfp4);
  BOOST_TEST(encoded.scales == (Numbers{1}), kEach);
  BOOST_TEST(encoded.block_scales == (Codes{0x7E, 0x40}), kEach);  // 448, 2
  BOOST_TEST(encoded.codes[0] == 7);
  BOOST_TEST(encoded.codes[1] == (8 | 5));  // -3
  BOOST_TEST(encoded.codes[16] == 7);
  BOOST_TEST(encoded.codes[17] == 1);
  const auto y = decode(encoded);
  BOOST_TEST(y[0] == 2688);
  BOOST_TEST(y[1] == -1344);
  BOOST_TEST(y[16] == 12);
  BOOST_TEST(y[17] == 1);
}

BOOST_AUTO_TEST_CASE(blocks_whose_scale_underflows_are_zeros) {
  Numbers x(48, 0.0f);
  x[0] = 1;
  x[16] = 1e-7f;
  x[17] = -1e-7f;
  x[32] = std::numeric_limits<float>::denorm_min();
  const Encoded encoded = encode_flat(x, kNvfp4);
  BOOST_TEST(encoded.block_scales == (Codes{0x7E, 0, 0}), kEach);
  const auto y = decode(encoded);
  for (std::size_t i = 1; i < x.size(); ++i) {
    BOOST_TEST(encoded.codes[i] == 0);
    BOOST_TEST(y[i] == 0);
  }
  const Encoded tiny = encode_flat({std::numeric_limits<float>::denorm_min()}, kNvfp4);
  BOOST_TEST(tiny.scales[0] == 0);
  BOOST_TEST(decode(tiny)[0] == 0);
  BOOST_TEST(encode_flat({0, 0}, kNvfp4).scales[0] == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(vector_scaled_format)

BOOST_AUTO_TEST_CASE(vectors_have_integer_scales_below_the_channels) {
  // 4 bits, scales of 4 bits: s_v = 105 / 7 = 15, gamma = 1.
  Numbers x(48, 0.0f);
  x[0] = 105;
  x[1] = -60;
  x[16] = 14;  // s_v = 2
  x[17] = 3;
  x[32] = 3.4f;  // s_v below half of gamma: lost
  const Encoded encoded = encode_flat(x, named("vsq4"));
  BOOST_TEST(encoded.scales == (Numbers{1}), kEach);
  BOOST_TEST(encoded.block_scales == (Codes{15, 2, 0}), kEach);
  BOOST_TEST(encoded.codes[1] == -4);
  BOOST_TEST(encoded.codes[17] == 2);
  const auto y = decode(encoded);
  BOOST_TEST(y[0] == 105);
  BOOST_TEST(y[1] == -60);
  BOOST_TEST(y[16] == 14);
  BOOST_TEST(y[17] == 4);
  BOOST_TEST(y[32] == 0);
}

BOOST_AUTO_TEST_CASE(integers_come_from_the_unrounded_scale) {
  // s_v = 2.4 is rounded to 2; 6 / 2.4 = 2.5 goes to 2, 6 / 2 would have given 3.
  Numbers x(32, 0.0f);
  x[0] = 105;
  x[16] = 16.8f;
  x[17] = 6.0f;
  const std::vector<double> wide(x.begin(), x.end());
  const Encoded encoded = encode(wide, flat(32), named("vsq4"));
  BOOST_TEST(encoded.block_scales[1] == 2);
  BOOST_TEST(encoded.codes[17] == static_cast<int>(std::nearbyint(6.0 / (wide[16] / 7))));
}

BOOST_AUTO_TEST_CASE(each_channel_has_its_own_second_scale) {
  const std::vector<std::int64_t> shape = {2, 32};
  Numbers x(64, 0.0f);
  x[0] = 105;
  x[32] = 210;
  EncodingOptions options;
  options.slicing = {Grain::channel, 0, 0};
  const Encoded encoded = encode(x, shape, named("vsq4"), options);
  BOOST_TEST(encoded.scales == (Numbers{1, 2}), kEach);
  BOOST_TEST(encoded.block_scales == (Codes{15, 0, 15, 0}), kEach);
}

BOOST_AUTO_TEST_CASE(scale_bits_set_how_finely_vectors_differ) {
  const auto x = sample(1024, 3, Shape::laplace);
  EncodingOptions options;
  double last = 0;
  for (int bits : {2, 4, 8}) {
    options.scale_bits = bits;
    const auto encoded = encode_flat(x, named("vsq6"), options);
    for (int scale : encoded.block_scales) BOOST_TEST((scale >= 0 && scale < (1 << bits)));
    const double sqnr = measure_error(x, decode(encoded)).sqnr_db;
    BOOST_TEST(sqnr > last);
    last = sqnr;
  }
}

BOOST_AUTO_TEST_CASE(vectors_may_not_cross_channels) {
  EncodingOptions options;
  options.slicing = {Grain::channel, -1, 0};
  const std::vector<std::int64_t> shape = {2, 32};
  BOOST_CHECK_THROW(encode(Numbers(64, 1.0f), shape, named("vsq4"), options), base::UserError);
  options.axis = 0;
  BOOST_CHECK_NO_THROW(encode(Numbers(64, 1.0f), shape, named("vsq4"), options));
}

BOOST_AUTO_TEST_SUITE_END()
