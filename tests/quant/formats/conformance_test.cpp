#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/encoding.hpp"
#include "quant/formats/storage.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

// What every format keeps, whatever it is; each is held to what its row of the table declares.

namespace {

constexpr float kScaleRounding = 1e-6f;  // relative: a scale that is found anew may differ by a few ulps
constexpr std::size_t kOdd = 331;        // elements: no multiple of any block, nibble or byte of trits

bool near(float a, float b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  return std::abs(a - b) <= kScaleRounding * std::max(std::abs(a), std::abs(b));
}

// The first place where two tensors differ, for the message; -1: nowhere.
std::int64_t first_difference(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!near(a[i], b[i])) return static_cast<std::int64_t>(i);
  return a.size() == b.size() ? -1 : 0;
}

std::vector<std::vector<float>> samples() {
  std::vector<std::vector<float>> all;
  for (Shape shape : {Shape::normal, Shape::laplace, Shape::outliers})
    for (float magnitude : {1.0f, 0.003f, 700.0f, 1e-30f, 1e30f}) {
      all.push_back(sample(kOdd, 7, shape));
      for (float& v : all.back()) v *= magnitude;
    }
  return all;
}

std::vector<float> negated(std::vector<float> x) {
  for (float& v : x) v = -v;
  return x;
}

// Elements of a slice or block of this format, in ascending order: what monotony is about.
std::vector<float> one_block(Format format, const std::vector<float>& x) {
  const int block = format.row().block > 0 ? format.row().block : static_cast<int>(x.size());
  std::vector<float> part(x.begin(), x.begin() + block);
  std::sort(part.begin(), part.end());
  return part;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(format_conformance)

BOOST_AUTO_TEST_CASE(what_was_decoded_encodes_to_itself_where_declared) {
  for (Format format : all_formats()) {
    if (!format.row().properties.idempotent) continue;
    for (const auto& x : samples()) {
      const auto once = round_trip(x, format), twice = round_trip(once, format);
      const std::int64_t at = first_difference(once, twice);
      BOOST_TEST(at == -1, format.name() << " at element " << at);
    }
  }
}

BOOST_AUTO_TEST_CASE(formats_that_are_not_idempotent_show_it) {
  for (Format format : all_formats()) {
    if (format.row().properties.idempotent) continue;
    // NVFP4 loses it at block scales that are subnormal only.
    std::vector<float> x(48, 0.0f);
    x[0] = 1;
    x[16] = 1.6f / 448 / 512;
    x[1] = 0.3f;
    const auto once = round_trip(x, format), twice = round_trip(once, format);
    BOOST_TEST(first_difference(once, twice) != -1, format.name() << " is idempotent after all");
  }
}

BOOST_AUTO_TEST_CASE(order_is_kept_within_a_block_where_declared) {
  for (Format format : all_formats()) {
    if (!format.row().properties.monotone) continue;
    for (const auto& x : samples()) {
      const auto y = round_trip(one_block(format, x), format);
      BOOST_TEST(std::is_sorted(y.begin(), y.end()), format.name());
    }
  }
}

BOOST_AUTO_TEST_CASE(pairs_with_their_own_exponents_can_swap_numbers) {
  // Steps of the first pair are 0.5, of the second, whose largest number is the block's, 1.
  const auto y = round_trip({0.45f, 0, 0.46f, 2}, named("mx4"));
  BOOST_TEST(y == (std::vector<float>{0.5f, 0, 0, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(negated_numbers_give_negated_numbers_where_declared) {
  for (Format format : all_formats()) {
    if (!format.row().properties.symmetric) continue;
    for (const auto& x : samples())
      BOOST_TEST(first_difference(negated(round_trip(x, format)), round_trip(negated(x), format)) == -1,
                 format.name());
  }
}

BOOST_AUTO_TEST_CASE(zero_stays_zero_where_declared) {
  for (Format format : all_formats()) {
    if (!format.row().properties.zero_to_zero) continue;
    for (auto x : samples()) {
      x[3] = 0;
      x[4] = -0.0f;
      const auto y = round_trip(x, format);
      BOOST_TEST((y[3] == 0 && y[4] == 0), format.name());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_tensor_of_zeros_comes_back_as_zeros) {
  for (Format format : all_formats()) {
    if (format == kBinaryStochastic) continue;  // has no scale that could be 0
    for (std::size_t n : {std::size_t{1}, std::size_t{2}, kOdd})
      for (float v : round_trip(std::vector<float>(n, 0.0f), format)) BOOST_TEST(v == 0, format.name());
  }
}

BOOST_AUTO_TEST_CASE(a_constant_tensor_comes_back_by_its_range) {
  // The largest magnitude is a level of formats whose scale is a number of its own.
  for (Format format : all_formats()) {
    const FormatKind kind = format.row().kind;
    if (kind == FormatKind::power_of_two || kind == FormatKind::mx || kind == FormatKind::micro_exponent ||
        format == kBinaryStochastic)
      continue;
    for (float constant : {0.37f, -41.5f, 1e-30f, -1e30f})
      for (std::size_t n : {std::size_t{1}, std::size_t{5}, kOdd}) {
        if (format == kBitnet && std::abs(constant) < 1e-5f) continue;  // below its least scale
        for (float v : round_trip(std::vector<float>(n, constant), format))
          BOOST_TEST(near(v, constant), format.name() << ": " << constant << " became " << v);
      }
  }
}

BOOST_AUTO_TEST_CASE(decoded_numbers_are_finite_and_hardly_larger_than_the_largest) {
  for (Format format : all_formats())
    for (const auto& x : samples()) {
      float largest = 0;
      for (float v : x) largest = std::max(largest, std::abs(v));
      if (format == kBinaryStochastic) largest = 1;
      // Others reach the largest magnitude; the nearest power of two is at most a third above it, and
      // elements under a power of two round up by at most half a step of mxfp4, a quarter.
      const FormatKind kind = format.row().kind;
      const float most = kind == FormatKind::power_of_two                               ? 4.0f / 3
                         : kind == FormatKind::mx || kind == FormatKind::micro_exponent ? 1.25f
                                                                                        : 1 + kScaleRounding;
      // A zero point rounds the range's ends by up to half a step.
      const float shifted =
          format.row().is_signed ? 0 : 1.0f / static_cast<float>((1 << format.element_bits()) - 1);
      // Block scales of three mantissa bits are up to a sixteenth too large.
      const float coarse = format == kNvfp4 ? 1.0f / 16 : 0;
      const auto y = round_trip(x, format);
      for (float v : y)
        BOOST_TEST((std::isfinite(v) && std::abs(v) <= (most + coarse + shifted) * largest),
                   format.name() << ": " << v << " where the largest was " << largest);
    }
}

BOOST_AUTO_TEST_CASE(codes_lie_in_their_bits) {
  for (Format format : all_formats())
    for (const auto& x : samples()) {
      const Encoded encoded = encode_flat(x, format);
      const auto [low, high] = std::minmax_element(encoded.codes.begin(), encoded.codes.end());
      BOOST_TEST(*low >= -(1 << (format.element_bits() - 1)), format.name());
      BOOST_TEST(*high < (1 << format.element_bits()), format.name());
      BOOST_TEST(encoded.clipped >= 0);
      BOOST_TEST(encoded.clipped <= 1);
    }
}

BOOST_AUTO_TEST_CASE(subnormal_and_the_largest_numbers_stay_finite) {
  constexpr float kLeast = std::numeric_limits<float>::denorm_min(),
                  kMost = std::numeric_limits<float>::max();
  for (Format format : all_formats()) {
    for (const std::vector<float>& x : {std::vector<float>{kLeast},
                                        {kLeast, -kLeast, 3 * kLeast},
                                        {1e-40f, -3e-41f},
                                        {kMost},
                                        {-kMost, kMost},
                                        {kMost, kLeast},
                                        {-kMost, 1, 0}}) {
      const Encoded encoded = encode_flat(x, format);
      for (float scale : encoded.scales) BOOST_TEST(std::isfinite(scale), format.name());
      for (float v : decode(encoded)) BOOST_TEST(std::isfinite(v), format.name());
    }
  }
}

BOOST_AUTO_TEST_CASE(power_of_two_scales_reach_subnormal_numbers) {
  for (const char* name :
       {"mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8", "mx9"}) {
    const float x = std::ldexp(1.0f, -127);
    BOOST_TEST(round_trip({x, -x, 0}, named(name)) == (std::vector<float>{x, -x, 0}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(numbers_that_are_not_finite_are_refused_unless_the_format_has_them) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(),
                  kNan = std::numeric_limits<float>::quiet_NaN();
  for (Format format : all_formats()) {
    const FormatKind kind = format.row().kind;
    const bool fp8 = format == kFp8E4m3 || format == kFp8E5m2;
    if (kind == FormatKind::mx || fp8)
      BOOST_TEST(std::isnan(round_trip({1, kNan, 2}, format)[1]), format.name());
    else
      BOOST_CHECK_THROW(encode_flat({1, kNan, 2}, format), base::UserError);
    if (kind == FormatKind::minifloat)
      BOOST_TEST(round_trip({1, -kInfinity, 2}, format)[1] == -2, format.name());
    else if (kind == FormatKind::mx)
      BOOST_TEST(std::isnan(round_trip({1, kInfinity}, format)[0]), format.name());
    else
      BOOST_CHECK_THROW(encode_flat({1, kInfinity}, format), base::UserError);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_named) {
  const auto message = [](const auto& x, Format format) -> std::string {
    try {
      encode(std::span(x), flat(x.size()), format);
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "accepted";
  };
  BOOST_TEST(message(std::vector<float>{1, NAN}, 4) ==
             "int4: element 1 of 2 is NaN; the format holds finite numbers");
  BOOST_TEST(message(std::vector<float>{1, 2, -INFINITY}, kNvfp4) ==
             "nvfp4: element 2 of 3 is infinity; the format holds finite numbers");
  BOOST_TEST(message(std::vector<float>{NAN}, kFp4E2m1) ==
             "fp4_e2m1: element 0 of 1 is NaN; the format holds finite numbers");
  BOOST_TEST(message(std::vector<double>{1e300}, 8) ==
             "int8: element 0 of 1 is 1e+300, beyond float32; the format holds finite numbers");
}

BOOST_AUTO_TEST_CASE(float64_gives_the_codes_of_float32_but_for_near_ties) {
  for (Format format : all_formats())
    for (const auto& x : samples()) {
      const std::vector<double> wide(x.begin(), x.end());
      const Encoded a = encode_flat(x, format), b = encode(wide, flat(wide.size()), format);
      std::size_t differ = 0;
      int furthest = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        differ += a.codes[i] != b.codes[i] ? 1 : 0;
        furthest = std::max(furthest, std::abs(a.codes[i] - b.codes[i]));
      }
      BOOST_TEST(differ <= kOdd / 50, format.name());
      BOOST_TEST(furthest <= 1, format.name());
      BOOST_TEST((a.block_scales == b.block_scales), format.name());
      BOOST_TEST((a.zero_points == b.zero_points), format.name());
      BOOST_TEST(first_difference(a.scales, b.scales) == -1, format.name());
      BOOST_TEST(first_difference(a.codebook, b.codebook) == -1, format.name());
    }
}

BOOST_AUTO_TEST_CASE(slices_are_encoded_as_if_each_were_alone) {
  const std::vector<std::int64_t> shape = {3, 5, 7};
  const auto x = sample(105, 11);
  for (Format format : all_formats()) {
    if (format.row().block > 0) continue;
    for (const Slicing& slicing :
         {Slicing{}, Slicing{Grain::channel, 0, 0}, Slicing{Grain::channel, -1, 0},
          Slicing{Grain::group, -1, 2}, Slicing{Grain::group, 1, 3}, Slicing{Grain::group, 0, 100}}) {
      // Slices of these two draw by their number.
      if (format == kBinaryStochastic) continue;
      EncodingOptions options;
      options.slicing = slicing;
      const Encoded whole = encode(x, shape, format, options);
      const auto y = decode(whole);
      const Slices slices(shape, slicing);
      BOOST_TEST((whole.scale_shape == slices.shape()));
      for (std::int64_t s = 0; s < slices.size(); ++s) {
        std::vector<float> part(static_cast<std::size_t>(slices.length(s))), got(part.size());
        slices.gather(s, x.data(), part.data());
        slices.gather(s, y.data(), got.data());
        const Encoded alone = encode_flat(part, format);
        BOOST_TEST((decode(alone) == got), format.name());
        if (!whole.scales.empty()) BOOST_TEST(whole.scales[static_cast<std::size_t>(s)] == alone.scales[0]);
        if (!whole.zero_points.empty())
          BOOST_TEST(whole.zero_points[static_cast<std::size_t>(s)] == alone.zero_points[0]);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(blocks_run_along_their_axis_as_if_each_were_alone) {
  const std::vector<std::int64_t> shape = {5, 6, 4};
  const auto x = sample(120, 13);
  for (Format format : all_formats()) {
    const FormatKind kind = format.row().kind;
    if (kind != FormatKind::mx && kind != FormatKind::micro_exponent) continue;
    for (int axis : {0, 1, 2, -1})
      for (int block : {2, 4, 16}) {
        EncodingOptions options;
        options.axis = axis;
        options.block = block;
        const Encoded whole = encode(x, shape, format, options);
        const auto y = decode(whole);
        const Slices blocks(shape, {Grain::group, axis, block});
        BOOST_TEST((whole.block_scale_shape == blocks.shape()));
        for (std::int64_t b = 0; b < blocks.size(); ++b) {
          std::vector<float> part(static_cast<std::size_t>(blocks.length(b))), got(part.size());
          blocks.gather(b, x.data(), part.data());
          blocks.gather(b, y.data(), got.data());
          const Encoded alone = encode_flat(part, format);
          BOOST_TEST((decode(alone) == got), format.name());
          BOOST_TEST(whole.block_scales[static_cast<std::size_t>(b)] == alone.block_scales[0]);
        }
      }
  }
}

BOOST_AUTO_TEST_CASE(a_tensor_without_dimensions_is_one_number) {
  for (Format format : all_formats()) {
    const std::vector<float> x = {0.5f};
    const Encoded encoded = encode(x, {}, format);
    BOOST_TEST(encoded.codes.size() == 1u);
    if (format != kBinaryStochastic) BOOST_TEST(decode(encoded)[0] == 0.5f, format.name());
  }
}

BOOST_AUTO_TEST_CASE(empty_tensors_and_wrong_shapes_are_refused) {
  for (Format format : all_formats()) {
    BOOST_CHECK_THROW(encode(std::span<const float>{}, flat(0), format), base::UserError);
    BOOST_CHECK_THROW(encode(std::vector<float>{1, 2}, flat(3), format), base::InternalError);
  }
}

BOOST_AUTO_TEST_SUITE_END()
