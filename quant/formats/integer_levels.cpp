#include "quant/formats/integer_levels.hpp"

#include <cmath>

#include "quant/base/error.hpp"
#include "quant/formats/minifloat.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kMost = 127;

bool has_minifloats(Format format) {
  const FormatKind kind = format.row().kind;
  return kind == FormatKind::minifloat || kind == FormatKind::nvfp4 ||
         (kind == FormatKind::mx && format != kMxint8);
}

// Of the step below the scale: 2^-bits.
int fraction_bits(Format format) {
  if (has_minifloats(format)) {
    const Minifloat& element = minifloat_of(format);
    return element.bias - 1 + element.mantissa_bits;  // of subnormals
  }
  if (format == kMxint8) return 6;
  switch (format.row().kind) {
    case FormatKind::power_of_two:
      return (1 << (format.element_bits() - 1)) - 2;
    case FormatKind::micro_exponent:
      return format.element_bits() - 2;
    default:
      return 0;
  }
}

// A double, as it may be far beyond 127.
double largest_level(Format format) {
  const int largest_code = (1 << (format.element_bits() - 1)) - 1;
  if (has_minifloats(format)) return std::ldexp(minifloat_of(format).largest, fraction_bits(format));
  switch (format.row().kind) {
    case FormatKind::power_of_two:
      return std::ldexp(1.0, fraction_bits(format));
    case FormatKind::quadratic:
      return static_cast<double>(largest_code) * largest_code;
    case FormatKind::binary:
      return 1;
    default:
      return largest_code;
  }
}

bool may_have_levels(Format format) {
  if (format.is_float() || format.code() == 1 || format == kTtq) return false;
  const FormatRow& row = format.row();
  return row.is_signed && row.kind != FormatKind::kmeans && row.kind != FormatKind::normal_float;
}

}  // namespace

std::optional<int> largest_integer_level(Format format) {
  if (!may_have_levels(format)) return std::nullopt;
  const double largest = largest_level(format);
  if (largest > kMost) return std::nullopt;
  return static_cast<int>(largest);
}

float integer_step(Format format) {
  base::require(largest_integer_level(format).has_value(), "a format without integer levels");
  return std::ldexp(1.0f, -fraction_bits(format));
}

std::int8_t integer_level(Format format, int code) {
  base::require(largest_integer_level(format).has_value(), "a format without integer levels");
  if (has_minifloats(format))
    return static_cast<std::int8_t>(
        std::ldexp(decode_minifloat(code, minifloat_of(format)), fraction_bits(format)));
  const FormatKind kind = format.row().kind;
  if (kind != FormatKind::power_of_two && kind != FormatKind::quadratic)
    return static_cast<std::int8_t>(code);
  const int sign_bit = 1 << (format.element_bits() - 1), index = code & (sign_bit - 1);
  const int magnitude = kind == FormatKind::quadratic ? index * index : index == 0 ? 0 : 1 << (index - 1);
  return static_cast<std::int8_t>((code & sign_bit) != 0 ? -magnitude : magnitude);
}

}  // namespace bitsmith::quant
