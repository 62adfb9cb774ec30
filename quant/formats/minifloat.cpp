#include "quant/formats/minifloat.hpp"

#include <cmath>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/formats/exponent.hpp"

namespace bitsmith::quant {
namespace {

// exponent and mantissa bits, bias, largest code, infinity, NaN, largest number, its exponent
constexpr Minifloat kE4M3{4, 3, 7, 0x7E, -1, 0x7F, 448, 8};
constexpr Minifloat kE5M2{5, 2, 15, 0x7B, 0x7C, 0x7F, 57344, 15};
constexpr Minifloat kE3M2{3, 2, 3, 0x1F, -1, -1, 28, 4};
constexpr Minifloat kE2M3{2, 3, 1, 0x1F, -1, -1, 7.5, 2};
constexpr Minifloat kE2M1{2, 1, 1, 0x07, -1, -1, 6, 2};

int overflow_code(const Minifloat& to, bool saturate) {
  if (saturate) return to.largest_code;
  if (to.infinity >= 0) return to.infinity;
  return to.nan >= 0 ? to.nan : to.largest_code;
}

}  // namespace

const Minifloat& e4m3() { return kE4M3; }

const Minifloat& minifloat_of(Format format) {
  switch (format.code()) {
    case kFp8E4m3.code():
    case kMxfp8E4m3.code():
      return kE4M3;
    case kFp8E5m2.code():
    case kMxfp8E5m2.code():
      return kE5M2;
    case kFp6E3m2.code():
    case kMxfp6E3m2.code():
      return kE3M2;
    case kFp6E2m3.code():
    case kMxfp6E2m3.code():
      return kE2M3;
    case kFp4E2m1.code():
    case kMxfp4.code():
    case kNvfp4.code():
      return kE2M1;
    default:
      throw base::InternalError("a format whose elements are not minifloats");
  }
}

MinifloatCode encode_minifloat(double x, const Minifloat& to, Rounding rounding, bool saturate) {
  if (std::isnan(x)) {
    base::require(to.nan >= 0, "NaN for a format that has none");
    return {to.nan, false};
  }
  const int sign = std::signbit(x) ? to.sign_bit() : 0;
  const double magnitude = std::abs(x);
  if (std::isinf(x)) return {sign | overflow_code(to, saturate), true};
  if (magnitude == 0) return {sign, false};
  // Far above the largest number the code would not fit an int.
  if (magnitude >= 2.0 * exp2_int(to.largest_exponent)) return {sign | overflow_code(to, saturate), true};

  // Numbers of one exponent are whole multiples of one step, and their codes are consecutive: a multiple that
  // rounds up to the next exponent carries into the right code by itself. Subnormals have the lowest
  // exponent's step.
  const int exponent = std::max(floor_log2(magnitude), 1 - to.bias);
  const double steps = round_half(std::ldexp(magnitude, to.mantissa_bits - exponent), rounding);
  const int code = ((exponent + to.bias - 1) << to.mantissa_bits) + static_cast<int>(steps);
  if (code > to.largest_code) return {sign | overflow_code(to, saturate), true};
  return {sign | code, false};
}

float decode_minifloat(int code, const Minifloat& from) {
  base::require(code >= 0 && code < 2 * from.sign_bit(), "a minifloat's code has more bits than it may");
  const bool negative = (code & from.sign_bit()) != 0;
  const int magnitude = code & (from.sign_bit() - 1);
  double value = 0;
  if (magnitude > from.largest_code) {
    value = magnitude == from.infinity ? std::numeric_limits<double>::infinity()
                                       : std::numeric_limits<double>::quiet_NaN();
  } else {
    const int field = magnitude >> from.mantissa_bits;
    const int mantissa = magnitude & ((1 << from.mantissa_bits) - 1);
    const int whole = field == 0 ? mantissa : mantissa + (1 << from.mantissa_bits);
    value = std::ldexp(whole, std::max(field, 1) - from.bias - from.mantissa_bits);
  }
  return static_cast<float>(negative ? -value : value);
}

}  // namespace bitsmith::quant
