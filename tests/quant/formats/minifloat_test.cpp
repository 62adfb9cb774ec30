#include "quant/formats/minifloat.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/formats/encoding.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const std::vector<Format> kMinifloats = {kFp8E4m3, kFp8E5m2, kFp6E3m2, kFp6E2m3, kFp4E2m1};

int code_of(double x, Format format, Rounding rounding = Rounding::even, bool saturate = true) {
  return encode_minifloat(x, minifloat_of(format), rounding, saturate).code;
}

float number_of(int code, Format format) { return decode_minifloat(code, minifloat_of(format)); }

// The bits of an IEEE half as a number, by its definition.
double half(int bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double magnitude = exponent == 31  ? (mantissa == 0 ? kInfinity : kNan)
                           : exponent == 0 ? std::ldexp(mantissa, -24)
                                           : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

void check_magnitudes(Format format, const std::vector<double>& magnitudes) {
  const int sign = minifloat_of(format).sign_bit();
  BOOST_TEST(static_cast<int>(magnitudes.size()) == sign);
  for (int code = 0; code < sign; ++code) {
    const double magnitude = magnitudes[static_cast<std::size_t>(code)];
    BOOST_TEST(number_of(code, format) == magnitude);
    BOOST_TEST(number_of(sign | code, format) == -magnitude);
    BOOST_TEST(std::signbit(number_of(sign | code, format)));
  }
}

// The nearest finite number by looking at all of them; halfway the even code, or the one further from 0.
int nearest_by_search(double x, Format format, Rounding rounding) {
  const Minifloat& of = minifloat_of(format);
  int best = 0;
  for (int code = 1; code <= of.largest_code; ++code) {
    const double a = std::abs(number_of(code, format) - std::abs(x)),
                 b = std::abs(number_of(best, format) - std::abs(x));
    if (a < b || (a == b && (rounding == Rounding::away || code % 2 == 0))) best = code;
  }
  return std::signbit(x) ? of.sign_bit() | best : best;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(minifloat)

BOOST_AUTO_TEST_CASE(all_codes_of_e5m2_are_the_high_bytes_of_halves) {
  for (int code = 0; code < 256; ++code) {
    const double expected = half(code << 8);
    const float got = number_of(code, kFp8E5m2);
    if (std::isnan(expected))
      BOOST_TEST(std::isnan(got));
    else
      BOOST_TEST(got == expected);
    BOOST_TEST(std::signbit(got) == (code >= 128));
  }
  BOOST_TEST(number_of(0x7B, kFp8E5m2) == 57344);
  BOOST_TEST(number_of(0x7C, kFp8E5m2) == kInfinity);
  BOOST_TEST(number_of(0xFC, kFp8E5m2) == -kInfinity);
  for (int code : {0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF}) BOOST_TEST(std::isnan(number_of(code, kFp8E5m2)));
}

BOOST_AUTO_TEST_CASE(all_codes_of_e4m3_follow_its_specification) {
  for (int code = 0; code < 256; ++code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    const float got = number_of(code, kFp8E4m3);
    BOOST_TEST(std::signbit(got) == (code >= 128));
    if (exponent == 15 && mantissa == 7)
      BOOST_TEST(std::isnan(got));
    else if (exponent == 0)
      BOOST_TEST(std::abs(got) == mantissa / 8.0 * std::pow(2.0, -6));
    else
      BOOST_TEST(std::abs(got) == (1 + mantissa / 8.0) * std::pow(2.0, exponent - 7));
  }
  // The specification's own rows.
  BOOST_TEST(number_of(0x7E, kFp8E4m3) == 448);
  BOOST_TEST(number_of(0x08, kFp8E4m3) == std::ldexp(1, -6));
  BOOST_TEST(number_of(0x07, kFp8E4m3) == std::ldexp(0.875, -6));
  BOOST_TEST(number_of(0x01, kFp8E4m3) == std::ldexp(1, -9));
}

BOOST_AUTO_TEST_CASE(all_codes_of_fp6_and_fp4_are_the_published_numbers) {
  check_magnitudes(kFp4E2m1, {0, 0.5, 1, 1.5, 2, 3, 4, 6});
  check_magnitudes(kFp6E2m3, {0,     0.125, 0.25,  0.375, 0.5,   0.625, 0.75, 0.875, 1,    1.125, 1.25,
                              1.375, 1.5,   1.625, 1.75,  1.875, 2,     2.25, 2.5,   2.75, 3,     3.25,
                              3.5,   3.75,  4,     4.5,   5,     5.5,   6,    6.5,   7,    7.5});
  check_magnitudes(kFp6E3m2, {0,     0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75,
                              0.875, 1,      1.25,  1.5,    1.75, 2,      2.5,   3,      3.5, 4,     5,
                              6,     7,      8,     10,     12,   14,     16,    20,     24,  28});
}

BOOST_AUTO_TEST_CASE(every_number_encodes_to_its_own_code) {
  for (Format format : kMinifloats) {
    const Minifloat& of = minifloat_of(format);
    for (int code = 0; code < 2 * of.sign_bit(); ++code) {
      const float number = number_of(code, format);
      if (!std::isfinite(number)) continue;
      for (Rounding rounding : {Rounding::even, Rounding::away})
        BOOST_TEST(code_of(number, format, rounding) == code, format.name());
    }
    BOOST_TEST(number_of(of.largest_code, format) == of.largest);
    BOOST_TEST(std::ilogb(of.largest) == of.largest_exponent);
  }
}

BOOST_AUTO_TEST_CASE(what_lies_between_numbers_goes_to_the_nearest_and_halfway_to_the_even_code) {
  base::Rng rng(29);
  for (Format format : kMinifloats) {
    const Minifloat& of = minifloat_of(format);
    std::vector<double> x;
    for (int code = 0; code < of.largest_code; ++code) {
      const double low = number_of(code, format), high = number_of(code + 1, format),
                   middle = (low + high) / 2;
      x.insert(x.end(),
               {middle, std::nextafter(middle, low), std::nextafter(middle, high), rng.uniform(low, high)});
    }
    x.insert(x.end(), {1e-300, 5e-324, static_cast<double>(of.largest) * 1.01});
    for (double value : x)
      for (double signed_value : {value, -value})
        for (Rounding rounding : {Rounding::even, Rounding::away})
          BOOST_TEST(
              code_of(signed_value, format, rounding) == nearest_by_search(signed_value, format, rounding),
              format.name() << " of " << signed_value);
  }
}

BOOST_AUTO_TEST_CASE(what_is_too_large_saturates) {
  for (Format format : kMinifloats) {
    const Minifloat& of = minifloat_of(format);
    for (double x : {of.largest * 1.1, of.largest * 2.0, 1e30, 1e300, kInfinity}) {
      BOOST_TEST(code_of(x, format) == of.largest_code);
      BOOST_TEST(code_of(-x, format) == (of.sign_bit() | of.largest_code));
    }
    BOOST_TEST(encode_minifloat(kInfinity, of).clipped);
    BOOST_TEST(!encode_minifloat(of.largest, of).clipped);
  }
}

BOOST_AUTO_TEST_CASE(without_saturation_the_rounded_number_decides) {
  const auto cast = [](double x, Format format) { return code_of(x, format, Rounding::even, false); };
  BOOST_TEST(cast(464, kFp8E4m3) == 0x7E);  // halfway to where 480 would be: the even one
  BOOST_TEST(cast(464.001, kFp8E4m3) == 0x7F);
  BOOST_TEST(cast(-464.001, kFp8E4m3) == 0xFF);
  BOOST_TEST(cast(kInfinity, kFp8E4m3) == 0x7F);
  BOOST_TEST(cast(1e30, kFp8E4m3) == 0x7F);
  BOOST_TEST(cast(61439.9, kFp8E5m2) == 0x7B);
  BOOST_TEST(cast(61440, kFp8E5m2) == 0x7C);
  BOOST_TEST(cast(-61440, kFp8E5m2) == 0xFC);
  BOOST_TEST(cast(-kInfinity, kFp8E5m2) == 0xFC);
  BOOST_TEST(cast(1e30, kFp8E5m2) == 0x7C);
  // There is nothing else to become.
  BOOST_TEST(cast(100, kFp4E2m1) == 0x07);
  BOOST_TEST(cast(100, kFp6E3m2) == 0x1F);
}

BOOST_AUTO_TEST_CASE(nan_is_the_canonical_one_or_refused) {
  for (Format format : {kFp8E4m3, kFp8E5m2})
    for (double nan : {kNan, -kNan})
      for (bool saturate : {true, false}) BOOST_TEST(code_of(nan, format, Rounding::even, saturate) == 0x7F);
  for (Format format : {kFp6E3m2, kFp6E2m3, kFp4E2m1})
    BOOST_CHECK_THROW(code_of(kNan, format), base::InternalError);
}

BOOST_AUTO_TEST_CASE(zeros_keep_their_sign) {
  BOOST_TEST(code_of(-0.0, kFp8E4m3) == 0x80);
  BOOST_TEST(code_of(-1e-30, kFp8E5m2) == 0x80);
  BOOST_TEST(code_of(0.0, kFp4E2m1) == 0);
}

BOOST_AUTO_TEST_CASE(codes_with_more_bits_are_refused) {
  BOOST_CHECK_THROW(number_of(256, kFp8E4m3), base::InternalError);
  BOOST_CHECK_THROW(number_of(16, kFp4E2m1), base::InternalError);
  BOOST_CHECK_THROW(number_of(-1, kFp4E2m1), base::InternalError);
  BOOST_CHECK_THROW(minifloat_of(4), base::InternalError);
}

BOOST_AUTO_TEST_CASE(tensors_fill_the_format_or_are_cast_as_they_are) {
  const std::vector<float> x = {896, -2, 0, 1.0f / 128};
  const Encoded filled = encode_flat(x, kFp8E4m3);
  BOOST_TEST(filled.scales[0] == 2);
  BOOST_TEST(filled.codes[0] == 0x7E);
  BOOST_TEST(filled.clipped == 0);

  EncodingOptions cast;
  cast.scale_rule = ScaleRule::one;
  const Encoded plain = encode_flat(x, kFp8E4m3, cast);
  BOOST_TEST(plain.scales[0] == 1);
  BOOST_TEST(plain.codes == (std::vector<std::int32_t>{0x7E, 0xC0, 0, 0x04}),
             boost::test_tools::per_element());
  BOOST_TEST(plain.clipped == 0.25);

  cast.saturate = false;
  BOOST_TEST(encode_flat(x, kFp8E4m3, cast).codes[0] == 0x7F);
  BOOST_TEST(encode_flat({1e9f, NAN}, kFp8E5m2, cast).codes == (std::vector<std::int32_t>{0x7C, 0x7F}),
             boost::test_tools::per_element());
  BOOST_TEST(decode(encode_flat({-1e9f}, kFp8E5m2, cast))[0] == -kInfinity);
}

BOOST_AUTO_TEST_CASE(infinity_and_nan_do_not_set_the_scale) {
  const Encoded encoded = encode_flat({INFINITY, NAN, 448, -1}, kFp8E4m3);
  BOOST_TEST(encoded.scales[0] == 1);
  BOOST_TEST(encoded.codes == (std::vector<std::int32_t>{0x7E, 0x7F, 0x7E, 0xB8}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
