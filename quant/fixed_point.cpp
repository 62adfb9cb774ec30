#include "quant/fixed_point.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "quant/base/error.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();

/// value / 2^shift, halves toward +infinity; 0 <= shift <= 62, |value| <= 2^62. Since C++20 >> is arithmetic.
std::int64_t rounding_shift(std::int64_t value, int shift) {
  if (shift == 0) return value;
  return (value + (std::int64_t{1} << (shift - 1))) >> shift;
}

std::int32_t into(std::int32_t value, OutputIntegers out) {
  return static_cast<std::int32_t>(
      std::clamp<std::int64_t>(std::int64_t{value} + out.zero_point, out.low, out.high));
}

std::int32_t apply_twice(std::int32_t acc, double m, OutputIntegers out) {
  return into(multiply_rounding_twice(acc, quantize_multiplier(m)), out);
}

std::int32_t apply_once(std::int32_t acc, double m, OutputIntegers out) {
  return into(multiply_rounding_once(acc, quantize_multiplier(m)), out);
}

std::int32_t apply_fp32(std::int32_t acc, double m, OutputIntegers out) {
  return requantize_fp32(acc, static_cast<float>(m), out);
}

constexpr std::array kRows{
    RequantizationRow{"double_rounding", apply_twice, 0x1p-32, 0x1p31,
                      "high half of a 32-bit product, then a rounding shift", "gemmlowp; TFLite's default"},
    RequantizationRow{"single_rounding", apply_once, 0x1p-32, 0x1p31, "64-bit product and one rounding shift",
                      "TFLite with TFLITE_SINGLE_ROUNDING"},
    RequantizationRow{"fp32", apply_fp32, 0x1p-32, 256, "one fp32 product, rounded to even",
                      "XNNPACK, qs8 and qu8 requantize_fp32"},
};

}  // namespace

std::span<const RequantizationRow> requantization_rows() { return kRows; }

std::int32_t saturate_to_int32(std::int64_t value) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, kLeast, kMost));
}

FixedMultiplier quantize_multiplier(double m) {
  base::require(m >= 0 && m < 0x1p31, "a fixed-point multiplier lies between 0 and 2^31");
  if (m == 0) return {};
  int exponent = 0;
  std::int64_t mantissa = std::llround(std::ldexp(std::frexp(m, &exponent), 31));
  if (mantissa == std::int64_t{1} << 31) {
    mantissa /= 2;
    ++exponent;
  }
  if (exponent < -31) return {};
  if (exponent > 31) return {kMost, 31};  // rounded up to 2^31 itself
  return {static_cast<std::int32_t>(mantissa), exponent};
}

std::int32_t saturating_rounding_doubling_high_mul(std::int32_t a, std::int32_t b) {
  return saturate_to_int32(rounding_shift(std::int64_t{a} * b, 31));
}

std::int32_t rounding_divide_by_power_of_two(std::int32_t x, int exponent) {
  base::require(exponent >= 0 && exponent <= 31, "a shift of 0 to 31 bits");
  const std::int64_t mask = (std::int64_t{1} << exponent) - 1;
  const std::int64_t remainder = x & mask, threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

std::int32_t multiply_rounding_twice(std::int32_t acc, FixedMultiplier m) {
  if (m.exponent >= 0) return multiply_rounding_once(acc, m);  // no second shift, so no second rounding
  return rounding_divide_by_power_of_two(saturating_rounding_doubling_high_mul(acc, m.mantissa), -m.exponent);
}

std::int32_t multiply_rounding_once(std::int32_t acc, FixedMultiplier m) {
  return saturate_to_int32(rounding_shift(std::int64_t{acc} * m.mantissa, 31 - m.exponent));
}

std::int32_t requantize_fp32(std::int32_t acc, float m, OutputIntegers out) {
  const float low = static_cast<float>(out.low - out.zero_point);
  const float high = static_cast<float>(out.high - out.zero_point);
  const float scaled = std::clamp(static_cast<float>(acc) * m, low, high);
  return static_cast<std::int32_t>(std::lrint(scaled)) + out.zero_point;
}

std::int64_t without_zero_points(const ProductSums& sums, std::int32_t zx, std::int32_t zw,
                                 std::int64_t bias) {
  return sums.products - zx * sums.weights - zw * sums.inputs + sums.length * zx * zw + bias;
}

QuantizedAdd::QuantizedAdd(Operand a, Operand b, double output_scale, OutputIntegers out) : out_(out) {
  const double ratio_a = a.scale / output_scale, ratio_b = b.scale / output_scale;
  const double larger = std::max(ratio_a, ratio_b);
  base::require(larger >= 0x1p-32 && larger < 0x1p16 && ratio_a > 0 && ratio_b > 0,
                "an addition's scales are within 2^-32 and 2^16 of each other");
  shift_ = 20 - std::ilogb(larger);  // the larger factor lies between 2^20 and 2^21
  factor_a_ = std::llround(std::ldexp(ratio_a, shift_));
  factor_b_ = std::llround(std::ldexp(ratio_b, shift_));
  offset_ = -(factor_a_ * a.zero_point + factor_b_ * b.zero_point);
}

std::int32_t QuantizedAdd::operator()(std::int32_t a, std::int32_t b) const {
  return into(saturate_to_int32(rounding_shift(factor_a_ * a + factor_b_ * b + offset_, shift_)), out_);
}

}  // namespace bitsmith::quant
