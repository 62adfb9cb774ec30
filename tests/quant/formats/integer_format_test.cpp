#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/encoding.hpp"
#include "quant/quantizer.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

using Codes = std::vector<std::int32_t>;
const auto kEach = boost::test_tools::per_element();

EncodingOptions affine() {
  EncodingOptions options;
  options.scheme = Scheme::affine;
  return options;
}

EncodingOptions rounded_away() {
  EncodingOptions options;
  options.rounding = Rounding::away;
  return options;
}

EncodingOptions full_range() {
  EncodingOptions options;
  options.full_range = true;
  return options;
}

EncodingOptions middle() {
  EncodingOptions options;
  options.symmetric_unsigned = true;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(integer_format)

BOOST_AUTO_TEST_CASE(symmetric_integers_are_those_of_the_networks_quantizer) {
  for (int bits = 2; bits <= 8; ++bits) {
    const auto x = sample(500, 3);
    const Encoded encoded = encode_flat(x, bits);
    float largest = 0;
    for (float v : x) largest = std::max(largest, std::abs(v));
    const IntegerRange range = integer_range(bits, true);
    const float scale = scale_of_threshold(largest, range);
    BOOST_TEST(encoded.scales[0] == scale);
    BOOST_TEST(encoded.zero_points.empty());
    for (std::size_t i = 0; i < x.size(); ++i)
      BOOST_TEST(encoded.codes[i] == quantize_one(x[i], scale, range));
  }
}

BOOST_AUTO_TEST_CASE(the_full_range_divides_by_half_its_width) {
  // max / 127.5: the largest, 127.5 steps, rounds to 128 and is clamped.
  const Encoded encoded = encode_flat({-127.5f, 127.5f, 1, -0.4f}, 8, full_range());
  BOOST_TEST(encoded.scales[0] == 1);
  BOOST_TEST(encoded.codes == (Codes{-128, 127, 1, 0}), kEach);
  BOOST_TEST(encoded.clipped == 0.25);
}

BOOST_AUTO_TEST_CASE(affine_ranges_are_widened_to_contain_zero) {
  const Encoded above = encode_flat({2, 255}, named("uint8"));
  BOOST_TEST(above.scales[0] == 1);
  BOOST_TEST(above.zero_points == (Codes{0}), kEach);
  BOOST_TEST(above.codes == (Codes{2, 255}), kEach);

  const Encoded below = encode_flat({-255, -3}, named("uint8"));
  BOOST_TEST(below.zero_points == (Codes{255}), kEach);
  BOOST_TEST(below.codes == (Codes{0, 252}), kEach);

  const Encoded is_signed = encode_flat({-100, 155}, 8, affine());
  BOOST_TEST(is_signed.scales[0] == 1);
  BOOST_TEST(is_signed.zero_points == (Codes{-28}), kEach);
  BOOST_TEST(is_signed.codes == (Codes{-128, 127}), kEach);
}

BOOST_AUTO_TEST_CASE(it_is_rounded_before_the_zero_point_is_added) {
  // Scale 1, zero point 3: 0.5 goes to 0 (even), then to 3; 3.5 would have gone to 4.
  const Encoded encoded = encode_flat({-3, 12, 0.5f, 1.5f, -0.5f}, named("uint4"));
  BOOST_TEST(encoded.zero_points[0] == 3);
  BOOST_TEST(encoded.codes == (Codes{0, 15, 3, 5, 3}), kEach);
}

BOOST_AUTO_TEST_CASE(halves_go_to_even_or_away_as_asked) {
  const std::vector<float> x = {7, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f};
  BOOST_TEST(encode_flat(x, 4).codes == (Codes{7, 0, 2, 2, 0, -2, -2}), kEach);
  BOOST_TEST(encode_flat(x, 4, rounded_away()).codes == (Codes{7, 1, 2, 3, -1, -2, -3}), kEach);
}

BOOST_AUTO_TEST_CASE(one_bit_unsigned_has_two_levels) {
  const Encoded encoded = encode_flat({0, 3, 1, 2}, named("uint1"));
  BOOST_TEST(encoded.scales[0] == 3);
  BOOST_TEST(encoded.codes == (Codes{0, 1, 0, 1}), kEach);
}

BOOST_AUTO_TEST_CASE(unsigned_integers_can_be_symmetric_about_the_middle) {
  const Encoded encoded = encode_flat({-127.5f, 127.5f, 0}, named("uint8"), middle());
  BOOST_TEST(encoded.scales[0] == 1);
  BOOST_TEST(encoded.zero_points == (Codes{128}), kEach);
  BOOST_TEST(encoded.codes == (Codes{0, 255, 128}), kEach);
}

BOOST_AUTO_TEST_CASE(a_range_of_zeros_has_scale_one_and_its_zero_point_as_code) {
  for (const EncodingOptions& options : {EncodingOptions{}, affine()}) {
    const Encoded encoded = encode_flat({0, 0, -0.0f}, 8, options);
    BOOST_TEST(encoded.scales[0] == 1);
    const int zero = encoded.zero_points.empty() ? 0 : encoded.zero_points[0];
    for (int code : encoded.codes) BOOST_TEST(code == zero);
  }
  BOOST_TEST(encode_flat({0, 0}, named("uint8")).zero_points[0] == 0);
  BOOST_TEST(encode_flat({0, 0}, named("uint8"), middle()).codes[0] == 128);
}

BOOST_AUTO_TEST_CASE(a_scale_of_one_leaves_integers_as_they_are) {
  EncodingOptions options;
  options.scale_rule = ScaleRule::one;
  const Encoded encoded = encode_flat({-300, 3.2f, 1e30f}, 8, options);
  BOOST_TEST(encoded.scales[0] == 1);
  BOOST_TEST(encoded.codes == (Codes{-127, 3, 127}), kEach);
  BOOST_TEST(encode_flat({-300, 3.2f, 1e30f}, named("uint8"), options).codes == (Codes{0, 3, 255}), kEach);
}

BOOST_AUTO_TEST_CASE(inside_the_range_the_error_is_at_most_half_a_step) {
  for (Format format : all_formats()) {
    if (format.row().kind != FormatKind::integer) continue;
    for (const EncodingOptions& options : {EncodingOptions{}, format.row().is_signed ? affine() : middle()}) {
      const auto x = sample(300, 23);
      const Encoded encoded = encode_flat(x, format, options);
      const auto y = decode(encoded);
      // 1e-3: x / scale has 24 bits, and 16-bit integers leave it 8 below the point. The ends of a range with
      // a zero point may be half a step further away.
      const float most = (encoded.zero_points.empty() ? 0.501f : 1.001f) * encoded.scales[0];
      for (std::size_t i = 0; i < x.size(); ++i)
        BOOST_TEST(std::abs(x[i] - y[i]) <= most, format.name() << ": " << x[i] << " became " << y[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(float64_keeps_its_own_ties) {
  // 0.3 / 0.2 is 1.5 exactly for float64's quotient of these, with a scale that float32 does not hold.
  std::vector<double> x = {0.1 * 7, 0.1 * 1.5};
  const Encoded encoded = encode(x, flat(2), 4);
  const double scale = x[0] / 7;
  BOOST_TEST(encoded.codes[1] == static_cast<int>(std::nearbyint(x[1] / scale)));
  BOOST_TEST(encoded.scales[0] == static_cast<float>(scale));
}

BOOST_AUTO_TEST_SUITE_END()
