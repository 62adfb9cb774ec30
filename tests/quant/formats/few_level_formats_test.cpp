#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "quant/formats/integer_levels.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

using Codes = std::vector<std::int32_t>;
using Numbers = std::vector<float>;
const auto kEach = boost::test_tools::per_element();

}  // namespace

BOOST_AUTO_TEST_SUITE(binary_format)

BOOST_AUTO_TEST_CASE(the_sign_of_zero_is_plus_and_the_scale_the_mean_magnitude) {
  const Encoded encoded = encode_flat({0, -0.0f, 3, -1}, named("binary"));
  BOOST_TEST(encoded.codes == (Codes{1, 1, 1, -1}), kEach);
  BOOST_TEST(encoded.scales == (Numbers{1}), kEach);
}

BOOST_AUTO_TEST_CASE(drawn_signs_have_their_probability) {
  constexpr std::size_t kDraws = 20000;
  for (float x : {-2.0f, -1.0f, -0.5f, 0.0f, 0.3f, 1.0f, 7.0f}) {
    const auto y = round_trip(Numbers(kDraws, x), kBinaryStochastic);
    const double mean = std::accumulate(y.begin(), y.end(), 0.0) / kDraws;
    // The mean of a draw is x clipped to -1 .. 1; 4 standard deviations of at most 1 / sqrt(draws).
    BOOST_TEST(std::abs(mean - std::clamp(x, -1.0f, 1.0f)) < 4 / std::sqrt(double{kDraws}));
  }
}

BOOST_AUTO_TEST_CASE(draws_depend_on_the_seed_alone) {
  const auto x = sample(200, 3);
  EncodingOptions options;
  BOOST_TEST(encode_flat(x, kBinaryStochastic).codes == encode_flat(x, kBinaryStochastic).codes, kEach);
  options.seed = 9;
  BOOST_TEST((encode_flat(x, kBinaryStochastic, options).codes != encode_flat(x, kBinaryStochastic).codes));
  BOOST_TEST(encode_flat(x, kBinaryStochastic).scales[0] == 1);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(ternary_format)

BOOST_AUTO_TEST_CASE(twn_keeps_what_exceeds_seven_tenths_of_the_mean) {
  // Mean 1: 0.71 is kept, 0.69 is not; the scale is the mean of what is kept.
  const Encoded encoded = encode_flat({2.0f, -0.71f, 0.69f, 0.6f}, named("ternary"));
  BOOST_TEST(encoded.codes == (Codes{1, -1, 0, 0}), kEach);
  BOOST_TEST(encoded.scales[0] == 1.355f);
}

BOOST_AUTO_TEST_CASE(twn_drops_what_equals_the_threshold) {
  // Mean 10, threshold 7.
  const Encoded encoded = encode_flat({7, 13}, named("ternary"));
  BOOST_TEST(encoded.codes == (Codes{0, 1}), kEach);
}

BOOST_AUTO_TEST_CASE(ttq_has_a_magnitude_for_either_sign) {
  const Encoded encoded = encode_flat({10, 2, -0.5f, -1, 0.4f, -3}, kTtq);
  BOOST_TEST(encoded.codes == (Codes{1, 1, 0, -1, 0, -1}), kEach);
  BOOST_TEST(encoded.codebook == (Numbers{6, 2}), kEach);
  BOOST_TEST(decode(encoded) == (Numbers{6, 6, 0, -2, 0, -2}), kEach);
  BOOST_TEST(encode_flat({1, 1}, kTtq).codebook == (Numbers{1, 0}), kEach);
}

BOOST_AUTO_TEST_CASE(bitnet_rounds_multiples_of_the_mean) {
  const Encoded encoded = encode_flat({0.4f, -0.6f, 2, -1}, kBitnet);
  BOOST_TEST(encoded.scales == (Numbers{1}), kEach);
  BOOST_TEST(encoded.codes == (Codes{0, -1, 1, -1}), kEach);
  BOOST_TEST(encode_flat({1e-7f, 2e-5f}, kBitnet).scales[0] == 1.005e-5f,
             boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(encode_flat({1e-7f, -1e-6f}, kBitnet).scales[0] == 1e-5f);
  BOOST_TEST(encode_flat({0, 0}, kBitnet).codes == (Codes{0, 0}), kEach);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(power_of_two_format)

BOOST_AUTO_TEST_CASE(the_largest_level_is_the_power_of_two_nearest_to_the_largest_magnitude) {
  for (const auto& [x, scale] : std::vector<std::pair<float, float>>{
           {1, 1}, {1.49f, 1}, {1.5f, 2}, {2.9f, 2}, {3, 4}, {-0.76f, 1}, {0.74f, 0.5f}, {1e-30f, 0x1p-100f}})
    BOOST_TEST(encode_flat({x}, named("pow2_4")).scales[0] == scale);
}

BOOST_AUTO_TEST_CASE(levels_are_nearest_in_value_and_zero_below_half_the_smallest) {
  // Levels 1, 1/2 .. 1/64.
  const Numbers x = {1, 0.76f, 0.75f, 0.74f, -0.374f, 1.0f / 64, 0.5f / 64, 0.49f / 64};
  const Encoded encoded = encode_flat(x, named("pow2_4"));
  BOOST_TEST(encoded.codes == (Codes{7, 7, 7, 6, 8 | 5, 1, 1, 0}), kEach);
  BOOST_TEST(decode(encoded) == (Numbers{1, 1, 1, 0.5f, -0.25f, 1.0f / 64, 1.0f / 64, 0}), kEach);
}

BOOST_AUTO_TEST_CASE(two_bits_are_one_magnitude_and_zero) {
  BOOST_TEST(round_trip({1, -1, 0.5f, 0.49f, 0}, named("pow2_2")) == (Numbers{1, -1, 1, 0, 0}), kEach);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(quadratic_format)

BOOST_AUTO_TEST_CASE(levels_are_squares) {
  // 4 bits: squares up to 49; halfway between 4 and 9 the even root, 2.
  const Encoded encoded = encode_flat({49, -36, 6.4f, 6.5f, 6.6f, 12.5f, 0.5f, -0.4f}, named("quadratic4"));
  BOOST_TEST(encoded.scales == (Numbers{1}), kEach);
  BOOST_TEST(encoded.codes == (Codes{7, 8 | 6, 2, 2, 3, 4, 0, 0}), kEach);
  BOOST_TEST(decode(encoded) == (Numbers{49, -36, 4, 4, 9, 16, 0, 0}), kEach);
  EncodingOptions away;
  away.rounding = Rounding::away;
  BOOST_TEST(round_trip({49, 6.5f, -0.5f}, named("quadratic4"), away) == (Numbers{49, 9, -1}), kEach);
}

BOOST_AUTO_TEST_CASE(every_level_is_the_nearest_of_all) {
  for (int bits = 2; bits <= 8; ++bits) {
    const auto x = sample(500, static_cast<std::uint64_t>(bits), Shape::laplace);
    const Encoded encoded = encode_flat(x, named("quadratic" + std::to_string(bits)));
    const auto y = decode(encoded);
    for (std::size_t i = 0; i < x.size(); ++i)
      for (int root = 0; root < 1 << (bits - 1); ++root) {
        const double level = std::copysign(double{encoded.scales[0]} * root * root, x[i]);
        // The quotient has 24 bits.
        BOOST_TEST(std::abs(x[i] - y[i]) <= std::abs(x[i] - level) + 1e-6 * std::abs(x[i]));
      }
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(integer_levels)

BOOST_AUTO_TEST_CASE(the_largest_levels_are_known) {
  const std::vector<std::pair<const char*, int>> largest = {{"int2", 1},
                                                            {"int4", 7},
                                                            {"int8", 127},
                                                            {"pow2_2", 1},
                                                            {"pow2_3", 4},
                                                            {"pow2_4", 64},
                                                            {"quadratic3", 9},
                                                            {"quadratic4", 49},
                                                            {"binary", 1},
                                                            {"ternary", 1},
                                                            {"bitnet", 1},
                                                            {"fp4_e2m1", 12},
                                                            {"fp6_e2m3", 60},
                                                            {"mxfp4", 12},
                                                            {"mxfp6_e2m3", 60},
                                                            {"mxint8", 127},
                                                            {"nvfp4", 12},
                                                            {"mx9", 127},
                                                            {"mx6", 15},
                                                            {"mx4", 3},
                                                            {"vsq4", 7},
                                                            {"vsq8", 127},
                                                            {"binary_stochastic", 1}};
  for (const auto& [name, level] : largest)
    BOOST_TEST(largest_integer_level(named(name)).value_or(-1) == level, name);
  for (const char* name : {"int9", "uint4", "pow2_5", "quadratic5", "kmeans4", "ttq", "nf4", "fp8_e4m3",
                           "fp8_e5m2", "fp6_e3m2", "mxfp8_e4m3", "mxfp6_e3m2"})
    BOOST_TEST(!largest_integer_level(named(name)).has_value(), name);
  BOOST_TEST(!largest_integer_level(32).has_value());
}

BOOST_AUTO_TEST_CASE(decoded_numbers_are_scale_times_step_times_level) {
  for (Format format : all_formats()) {
    if (!largest_integer_level(format)) continue;
    const auto x = sample(16, 5);
    const Encoded encoded = encode_flat(x, format);
    const auto y = decode(encoded);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double scale = encoded.scales.empty() ? 1 : encoded.scales[0];
      const FormatKind kind = format.row().kind;
      const int block = encoded.block_scales.empty() ? 0 : encoded.block_scales[0];
      if (kind == FormatKind::mx) scale = std::ldexp(1.0, block - 127);
      if (kind == FormatKind::micro_exponent)
        scale = std::ldexp(1.0, block - 127 - encoded.pair_shifts[i / 2]);
      if (kind == FormatKind::nvfp4) scale = static_cast<float>(scale * 448);
      if (kind == FormatKind::vector_scaled) scale *= block;
      const int level = integer_level(format, encoded.codes[i]);
      BOOST_TEST(std::abs(level) <= *largest_integer_level(format), format.name());
      BOOST_TEST(y[i] == static_cast<float>(scale * integer_step(format) * level), format.name());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
