#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bitsmith::quant {

// Integer-only arithmetic (Jacob et al. 2018, arXiv:1712.05877): how an accumulator becomes an 8-bit integer
// without a floating-point unit. Our own kernels multiply in fp32 (quant/README.md); this is what other
// runtimes and microcontrollers compute, one element at a time, to the bit.

/// M = mantissa * 2^(exponent - 31); the mantissa is 0 or at least 2^30, so M has 31 significant bits.
struct FixedMultiplier {
  std::int32_t mantissa = 0;
  int exponent = 0;
  bool operator==(const FixedMultiplier&) const = default;
};

/// Nearest such number, halves away from zero; 0 below 2^-32 (TFLite, QuantizeMultiplier). InternalError
/// unless 0 <= m < 2^31.
FixedMultiplier quantize_multiplier(double m);

/// a * b / 2^31, halves toward +infinity; INT32_MIN squared, the only product that does not fit, gives
/// INT32_MAX (gemmlowp, SaturatingRoundingDoublingHighMul; the instruction SQRDMULH of ARM).
std::int32_t saturating_rounding_doubling_high_mul(std::int32_t a, std::int32_t b);

/// x / 2^exponent, halves away from zero; 0 <= exponent <= 31 (gemmlowp, RoundingDivideByPOT).
std::int32_t rounding_divide_by_power_of_two(std::int32_t x, int exponent);

/// acc * M rounded twice: by the high multiplication, then by the shift (gemmlowp; TFLite's default). For M
/// >= 1 gemmlowp shifts acc left in 32 bits, which overflows when acc is large; here the product has 64 bits
/// and the result saturates. Equal to gemmlowp's wherever that is defined.
std::int32_t multiply_rounding_twice(std::int32_t acc, FixedMultiplier m);

/// acc * M rounded once, halves toward +infinity (TFLite with TFLITE_SINGLE_ROUNDING; XNNPACK's rndnu has
/// this with 24 bits). Saturates.
std::int32_t multiply_rounding_once(std::int32_t acc, FixedMultiplier m);

std::int32_t saturate_to_int32(std::int64_t value);

/// Where results go: q = clamp(result + zero_point, low, high). ReLU: low = zero_point; ReLU6: high =
/// round(6 / scale) + zero_point as well.
struct OutputIntegers {
  std::int32_t zero_point = 0, low = -128, high = 127;
};

/// One way to requantize. All are within 1 of the exact product, rounded, where |acc * M| < 2^22; `from` and
/// `below` bound the M that its source allows.
struct RequantizationRow {
  std::string_view name;
  std::int32_t (*apply)(std::int32_t acc, double m, OutputIntegers out);
  double from, below;
  std::string_view what, source;
};
std::span<const RequantizationRow> requantization_rows();

/// lrint(float(acc) * m), halves to even, clamped in floating point before the conversion: what XNNPACK's
/// fp32 kernels compute. float(acc) itself rounds beyond 2^24.
std::int32_t requantize_fp32(std::int32_t acc, float m, OutputIntegers out);

/// What an integer product knows of its operands.
struct ProductSums {
  std::int64_t products = 0;  ///< sum of qx * qw
  std::int64_t inputs = 0;    ///< sum of qx
  std::int64_t weights = 0;   ///< sum of qw: constant, folded into the bias by those who are in a hurry
  std::int64_t length = 0;    ///< number of terms
};

/// sum (qx - zx)(qw - zw) + bias from those sums. Of 8-bit operands it fits 32 bits up to a length of 2^16
/// with zw = 0, of 2^15 otherwise; padding must hold zx, not 0.
std::int64_t without_zero_points(const ProductSums& sums, std::int32_t zx, std::int32_t zw,
                                 std::int64_t bias = 0);

/// Sum of two 8-bit tensors with a scale and a zero point each, in integers: each operand times its scale
/// over the output's as a 21-bit factor, one shift for both, halves toward +infinity (XNNPACK, qs8 and qu8
/// vadd). Within 1 of round(((a - za) sa + (b - zb) sb) / sy) + zy.
class QuantizedAdd {
 public:
  struct Operand {
    double scale = 1;
    std::int32_t zero_point = 0;
  };
  /// InternalError unless 2^-32 <= the larger of sa / sy, sb / sy < 2^16.
  QuantizedAdd(Operand a, Operand b, double output_scale, OutputIntegers out);

  std::int32_t operator()(std::int32_t a, std::int32_t b) const;

 private:
  std::int64_t factor_a_, factor_b_, offset_;
  int shift_;
  OutputIntegers out_;
};

}  // namespace bitsmith::quant
