#include "trainer/onnx/operators/types.hpp"

#include <algorithm>
#include <cmath>

namespace bitsmith::trainer::onnx {
namespace {

/// IEEE 754's layout: a sign, an exponent, a fraction.
struct HalfFormat {
  int fraction_bits;
  int bias;
  std::uint16_t infinity;
};
HalfFormat format_of(ElementType type) {
  return type == ElementType::float16 ? HalfFormat{10, 15, 0x7c00} : HalfFormat{7, 127, 0x7f80};
}

}  // namespace

bool is_half(ElementType type) { return type == ElementType::float16 || type == ElementType::bfloat16; }

bool is_float(ElementType type) {
  return type == ElementType::float32 || type == ElementType::float64 || is_half(type);
}

void fail_of_type(ElementType type) { fail(fmt::format("it does not take {}", element_type_name(type))); }

double half_to_double(std::uint16_t bits, ElementType type) {
  const HalfFormat format = format_of(type);
  const bool is_negative = (bits & 0x8000) != 0;
  const int magnitude = bits & 0x7fff;
  const int exponent = magnitude >> format.fraction_bits;
  const int fraction = magnitude & ((1 << format.fraction_bits) - 1);
  double value = 0;
  if (magnitude >= format.infinity) {
    value =
        fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(fraction, 1 - format.bias - format.fraction_bits);
  } else {
    value = std::ldexp(fraction + (1 << format.fraction_bits), exponent - format.bias - format.fraction_bits);
  }
  return is_negative ? -value : value;
}

std::uint16_t double_to_half(double value, ElementType type) {
  const HalfFormat format = format_of(type);
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | format.infinity | (1u << (format.fraction_bits - 1));
  if (std::isinf(value)) return sign | format.infinity;
  const double magnitude = std::abs(value);
  const int exponent = magnitude == 0 ? 1 - format.bias : std::max(std::ilogb(magnitude), 1 - format.bias);
  if (exponent > format.bias) return sign | format.infinity;
  // In units of the last place; what rounds up to the next power of two carries into the exponent.
  const auto units = static_cast<int>(std::nearbyint(std::ldexp(magnitude, format.fraction_bits - exponent)));
  const int bits = ((exponent + format.bias - 1) << format.fraction_bits) + units;
  return sign | static_cast<std::uint16_t>(std::min<int>(bits, format.infinity));
}

Tensor widen_half(const Tensor& tensor) {
  Tensor wide = Tensor::make(ElementType::float32, tensor.dims);
  const auto from = tensor.as<std::uint16_t>();
  const auto to = wide.as<float>();
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] = static_cast<float>(half_to_double(from[i], tensor.type));
  return wide;
}

Tensor narrow_to_half(const Tensor& tensor, ElementType type) {
  Tensor narrow = Tensor::make(type, tensor.dims);
  const auto from = tensor.as<float>();
  const auto to = narrow.as<std::uint16_t>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = double_to_half(from[i], type);
  return narrow;
}

std::vector<int> unpack_nibbles(const Tensor& tensor) {
  std::vector<int> values(static_cast<std::size_t>(tensor.elements()));
  const bool is_signed = tensor.type == ElementType::int4;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int pair = std::to_integer<int>(tensor.bytes[i / 2]);
    const int nibble = i % 2 == 0 ? pair & 15 : pair >> 4;
    values[i] = is_signed && nibble >= 8 ? nibble - 16 : nibble;
  }
  return values;
}

std::vector<double> to_doubles(const Tensor& tensor) {
  if (element_bits(tensor.type) == 4) {
    const std::vector<int> values = unpack_nibbles(tensor);
    return {values.begin(), values.end()};
  }
  if (is_half(tensor.type)) return to_doubles(widen_half(tensor));
  std::vector<double> result;
  visit_numbers_and_booleans(tensor.type, [&]<typename T>() {
    const auto values = tensor.as<T>();
    result.assign(values.begin(), values.end());
  });
  return result;
}

void from_doubles(std::span<const double> values, Tensor& tensor) {
  if (element_bits(tensor.type) == 4) {
    const double low = tensor.type == ElementType::int4 ? -8 : 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i] == values[i] ? std::clamp(values[i], low, low + 15) : 0;
      const auto nibble = static_cast<unsigned>(static_cast<int>(value)) & 15u;
      tensor.bytes[i / 2] |= std::byte(i % 2 == 0 ? nibble : nibble << 4);
    }
  } else if (is_half(tensor.type)) {
    const auto to = tensor.as<std::uint16_t>();
    for (std::size_t i = 0; i < values.size(); ++i) to[i] = double_to_half(values[i], tensor.type);
  } else if (tensor.type == ElementType::boolean) {
    const auto to = tensor.as<std::uint8_t>();
    for (std::size_t i = 0; i < values.size(); ++i) to[i] = values[i] != 0 ? 1 : 0;
  } else {
    visit_numbers(tensor.type, [&]<typename T>() {
      const auto to = tensor.as<T>();
      for (std::size_t i = 0; i < values.size(); ++i) to[i] = cast_value<T>(values[i]);
    });
  }
}

}  // namespace bitsmith::trainer::onnx
