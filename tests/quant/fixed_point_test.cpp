#include "quant/fixed_point.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

constexpr std::int32_t kMin = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();
constexpr std::int32_t kHalf = 1 << 30;

// gemmlowp's own formula: nudge by sign, then truncating division.
std::int32_t plain_high_mul(std::int32_t a, std::int32_t b) {
  if (a == kMin && b == kMin) return kMax;
  const std::int64_t ab = std::int64_t{a} * b;
  const std::int64_t nudge = ab >= 0 ? (1 << 30) : 1 - (1 << 30);
  return static_cast<std::int32_t>((ab + nudge) / (std::int64_t{1} << 31));
}

double exact(std::int32_t acc, double m, OutputIntegers out) {
  return std::clamp<double>(std::nearbyint(acc * m) + out.zero_point, out.low, out.high);
}

std::vector<std::int32_t> awkward_integers() {
  std::vector<std::int32_t> all{0, kMin, kMin + 1, kMax, kMax - 1, kHalf, -kHalf, kHalf - 1, -kHalf - 1};
  for (int bit = 0; bit < 31; ++bit)
    for (int off : {-1, 0, 1}) all.insert(all.end(), {(1 << bit) + off, -(1 << bit) + off});
  base::Rng rng(1);
  for (int i = 0; i < 200; ++i) all.push_back(static_cast<std::int32_t>(rng.next()));
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fixed_point)

BOOST_AUTO_TEST_CASE(multipliers_have_31_bits) {
  BOOST_CHECK((quantize_multiplier(0.5) == FixedMultiplier{kHalf, 0}));
  BOOST_CHECK((quantize_multiplier(1) == FixedMultiplier{kHalf, 1}));
  BOOST_CHECK((quantize_multiplier(0.75) == FixedMultiplier{1610612736, 0}));
  BOOST_CHECK((quantize_multiplier(0.0003) == FixedMultiplier{1319413953, -11}));
  BOOST_CHECK((quantize_multiplier(0) == FixedMultiplier{}));
  BOOST_CHECK((quantize_multiplier(0x1p-32) == FixedMultiplier{kHalf, -31}));
  BOOST_CHECK((quantize_multiplier(0x1p-33) == FixedMultiplier{}));
  BOOST_CHECK((quantize_multiplier(1e-300) == FixedMultiplier{}));
  // A mantissa that rounds up to 2^31 becomes 2^30 at the next exponent; the last one saturates.
  BOOST_CHECK((quantize_multiplier(1 - 0x1p-40) == FixedMultiplier{kHalf, 1}));
  BOOST_CHECK((quantize_multiplier(0x1p31 - 0x1p-21) == FixedMultiplier{kMax, 31}));
  for (double bad : {-1.0, 0x1p31, std::nan("")})
    BOOST_CHECK_THROW(quantize_multiplier(bad), base::InternalError);

  base::Rng rng(2);
  for (int i = 0; i < 1000; ++i) {
    const double m = std::exp2(rng.uniform(-31, 30));
    const FixedMultiplier fixed = quantize_multiplier(m);
    BOOST_TEST(fixed.mantissa >= kHalf);
    BOOST_TEST(std::abs(std::ldexp(fixed.mantissa, fixed.exponent - 31) - m) <= m * 0x1p-31);
  }
}

BOOST_AUTO_TEST_CASE(the_high_multiplication_sends_ties_up_and_saturates_once) {
  struct Row {
    std::int32_t a, b, expected;
  };
  // a * b / 2^31 by hand.
  for (const Row& row :
       {Row{kMin, kMin, kMax}, Row{kMin, kMax, kMin + 1}, Row{kMax, kMax, kMax - 1}, Row{kHalf, 1, 1},  // 0.5
        Row{-kHalf, 1, 0},   // -0.5
        Row{kHalf, 3, 2},    // 1.5
        Row{kHalf, -3, -1},  // -1.5
        Row{kHalf, kHalf, 1 << 29}, Row{kMin, 1, -1}, Row{kHalf - 1, 1, 0}, Row{0, kMin, 0}})
    BOOST_TEST(saturating_rounding_doubling_high_mul(row.a, row.b) == row.expected);
  const auto all = awkward_integers();
  int different = 0;
  for (std::int32_t a : all)
    for (std::int32_t b : all)
      different += saturating_rounding_doubling_high_mul(a, b) != plain_high_mul(a, b);
  BOOST_TEST(different == 0);
}

BOOST_AUTO_TEST_CASE(division_by_a_power_of_two_sends_ties_away_from_zero) {
  struct Row {
    std::int32_t x;
    int exponent;
    std::int32_t expected;
  };
  for (const Row& row :
       {Row{1, 1, 1}, Row{-1, 1, -1}, Row{3, 1, 2}, Row{-3, 1, -2}, Row{5, 2, 1}, Row{6, 2, 2},
        Row{-6, 2, -2}, Row{-5, 2, -1}, Row{7, 0, 7}, Row{kMin, 31, -1}, Row{kMax, 31, 1}, Row{kMin, 0, kMin},
        Row{kHalf - 1, 31, 0}, Row{kHalf, 31, 1}, Row{-kHalf, 31, -1}})
    BOOST_TEST(rounding_divide_by_power_of_two(row.x, row.exponent) == row.expected);
  int different = 0;
  for (std::int32_t x : awkward_integers())
    for (int k = 0; k <= 31; ++k)
      different += rounding_divide_by_power_of_two(x, k) != std::llround(std::ldexp(x, -k));
  BOOST_TEST(different == 0);
  BOOST_CHECK_THROW(rounding_divide_by_power_of_two(1, 32), base::InternalError);
  BOOST_CHECK_THROW(rounding_divide_by_power_of_two(1, -1), base::InternalError);
}

BOOST_AUTO_TEST_CASE(rounding_twice_may_differ_from_once_by_one) {
  const FixedMultiplier quarter = quantize_multiplier(0.25 * (1 - 0x1p-30));
  // 2 * 0.25 just below: once 0; the high product rounds to 1, and half of that away from zero is 1.
  BOOST_TEST(multiply_rounding_once(2, quarter) == 0);
  BOOST_TEST(multiply_rounding_twice(2, quarter) == 1);
  // Ties of a single rounding go up, of the second shift away from zero.
  const FixedMultiplier eighth = quantize_multiplier(0.125);
  BOOST_TEST(multiply_rounding_once(-4, eighth) == 0);
  BOOST_TEST(multiply_rounding_twice(-4, eighth) == -1);
  for (std::int32_t acc : awkward_integers())
    for (double m : {1e-9, 0.0003, 0.25, 0.49, 0.9999, 1.0, 1.5, 100.0, 1e9}) {
      const FixedMultiplier fixed = quantize_multiplier(m);
      const std::int64_t once = multiply_rounding_once(acc, fixed),
                         twice = multiply_rounding_twice(acc, fixed);
      BOOST_TEST(std::abs(once - twice) <= 1);
    }
}

BOOST_AUTO_TEST_CASE(multipliers_above_one_saturate_instead_of_overflowing) {
  for (auto multiply : {multiply_rounding_twice, multiply_rounding_once}) {
    BOOST_TEST(multiply(kHalf, quantize_multiplier(1.5)) == 1610612736);  // in 32 bits acc << 1 overflows
    BOOST_TEST(multiply(1200000000, quantize_multiplier(1.5)) == 1800000000);
    BOOST_TEST(multiply(kMax, quantize_multiplier(1.5)) == kMax);
    BOOST_TEST(multiply(kMin, quantize_multiplier(1)) == kMin);
    BOOST_TEST(multiply(kMin, quantize_multiplier(1.001)) == kMin);
    BOOST_TEST(multiply(-3, quantize_multiplier(1e9)) == kMin);
    BOOST_TEST(multiply(2, quantize_multiplier(1e9)) == 2000000000);
    BOOST_TEST(multiply(kMax, quantize_multiplier(0)) == 0);
  }
}

BOOST_AUTO_TEST_CASE(every_requantization_is_within_one_of_the_exact_one) {
  base::Rng rng(3);
  for (const RequantizationRow& row : requantization_rows()) {
    BOOST_TEST_CONTEXT(row.name) {
      int off = 0;
      for (int i = 0; i < 200000; ++i) {
        const double m = std::exp2(rng.uniform(std::log2(row.from), std::min(7.99, std::log2(row.below))));
        const std::int32_t acc =
            i % 4 == 0 ? static_cast<std::int32_t>(rng.next())
                       : static_cast<std::int32_t>(std::clamp(rng.normal() * 60 / m, -2e9, 2e9));
        const bool is_signed = i % 2 == 0;
        const OutputIntegers out{static_cast<std::int32_t>(rng.below(256)) - (is_signed ? 128 : 0),
                                 is_signed ? -128 : 0, is_signed ? 127 : 255};
        off += std::abs(row.apply(acc, m, out) - exact(acc, m, out)) > 1;
      }
      BOOST_TEST(off == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(fp32_rounds_ties_to_even_and_clamps_before_it_converts) {
  BOOST_TEST(requantize_fp32(1, 0.5f, {}) == 0);
  BOOST_TEST(requantize_fp32(3, 0.5f, {}) == 2);
  BOOST_TEST(requantize_fp32(-3, 0.5f, {}) == -2);
  BOOST_TEST(requantize_fp32(kMax, 255.0f, {3, -128, 127}) == 127);
  BOOST_TEST(requantize_fp32(kMin, 255.0f, {3, -128, 127}) == -128);
}

BOOST_AUTO_TEST_CASE(zero_points_leave_a_product_by_its_sums) {
  base::Rng rng(4);
  for (int round = 0; round < 200; ++round) {
    const std::int64_t length = 1 + static_cast<std::int64_t>(rng.below(300));
    const auto zx = static_cast<std::int32_t>(rng.below(256)),
               zw = static_cast<std::int32_t>(rng.below(256)) - 128;
    ProductSums sums{.length = length};
    std::int64_t expected = 77;
    for (std::int64_t i = 0; i < length; ++i) {
      const auto x = static_cast<std::int64_t>(rng.below(256)),
                 w = static_cast<std::int64_t>(rng.below(256)) - 128;
      sums.products += x * w;
      sums.inputs += x;
      sums.weights += w;
      expected += (x - zx) * (w - zw);
    }
    BOOST_TEST(without_zero_points(sums, zx, zw, 77) == expected);
  }
}

BOOST_AUTO_TEST_CASE(products_fit_32_bits_up_to_the_lengths_promised) {
  // The worst operands, 255 against -128, and zero points that make each term largest.
  const std::int64_t symmetric = 1 << 16, affine = 1 << 15;
  BOOST_TEST(without_zero_points({255 * -127 * symmetric, 255 * symmetric, -127 * symmetric, symmetric}, 0,
                                 0) >= kMin);
  BOOST_TEST(without_zero_points({255 * 127 * affine, 255 * affine, 127 * affine, affine}, 0, -128) <= kMax);
}

BOOST_AUTO_TEST_CASE(additions_are_within_one_of_the_exact_sum) {
  base::Rng rng(5);
  int off = 0, inexact = 0, all = 0;
  for (int round = 0; round < 300; ++round) {
    const bool is_signed = round % 2 == 0;
    const int low = is_signed ? -128 : 0, high = low + 255;
    const auto zero = [&] { return static_cast<std::int32_t>(rng.below(256)) + low; };
    const double sa = std::exp2(rng.uniform(-8, 8)), sb = sa * std::exp2(rng.uniform(-12, 12));
    const double sy = (sa + sb) * std::exp2(rng.uniform(-2, 2));
    const std::int32_t za = zero(), zb = zero();
    const OutputIntegers out{zero(), low, high};
    const QuantizedAdd add({sa, za}, {sb, zb}, sy, out);
    for (std::int32_t a = low; a <= high; a += 3)
      for (std::int32_t b = low; b <= high; b += 5) {
        const double y = std::nearbyint(((a - za) * sa + (b - zb) * sb) / sy) + out.zero_point;
        const double expected = std::clamp<double>(y, low, high);
        off += std::abs(add(a, b) - expected) > 1;
        inexact += add(a, b) != expected;
        ++all;
      }
  }
  BOOST_TEST(off == 0);
  BOOST_TEST(inexact < all / 1000);  // 21 bits miss a tie now and then
}

BOOST_AUTO_TEST_CASE(additions_by_hand) {
  const QuantizedAdd mean({1, 0}, {1, 0}, 2, {0, -128, 127});
  BOOST_TEST(mean(3, 4) == 4);     // 3.5: ties up
  BOOST_TEST(mean(-3, -4) == -3);  // -3.5
  BOOST_TEST(mean(127, 127) == 127);
  const QuantizedAdd shifted({0.5, 10}, {0.25, -4}, 0.5, {7, 0, 255});
  BOOST_TEST(shifted(10, -4) == 7);  // zeros
  BOOST_TEST(shifted(30, 36) == 47);
  BOOST_TEST(shifted(-128, -128) == 0);
  BOOST_CHECK_THROW(QuantizedAdd({1, 0}, {1, 0}, 1e-9, {}), base::InternalError);
  BOOST_CHECK_THROW(QuantizedAdd({0, 0}, {1, 0}, 1, {}), base::InternalError);
}

BOOST_AUTO_TEST_SUITE_END()
