#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "trainer/onnx/operators/call.hpp"

/// From element types to C++'s.
namespace bitsmith::trainer::onnx {

/// float32, float64 and the 16-bit ones.
bool is_float(ElementType type);
bool is_half(ElementType type);

/// The values of any tensor that is not of strings, 4-bit ones one by one. 64-bit integers are rounded.
std::vector<double> to_doubles(const Tensor& tensor);
/// The other way, as Cast does (see cast_value); `type` is any that is not of strings.
void from_doubles(std::span<const double> values, Tensor& tensor);

/// 4-bit integers one by one.
std::vector<int> unpack_nibbles(const Tensor& tensor);

double half_to_double(std::uint16_t bits, ElementType type);
/// Rounded to nearest, ties to even; what is too large becomes infinite.
std::uint16_t double_to_half(double value, ElementType type);
/// As float32; exact.
Tensor widen_half(const Tensor& tensor);
Tensor narrow_to_half(const Tensor& tensor, ElementType type);

/// Between integers the low bits are kept; from floats to integers the fraction is dropped, NaN gives 0 and
/// what is out of range the nearest value that is not.
template <typename To, typename From>
To cast_value(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr auto kLowest = static_cast<double>(std::numeric_limits<To>::lowest());
    constexpr auto kPastMost = static_cast<double>(std::numeric_limits<To>::max() / 2 + 1) * 2.0;
    const auto real = static_cast<double>(value);
    if (real != real) return 0;
    if (real <= kLowest) return std::numeric_limits<To>::lowest();
    if (real >= kPastMost) return std::numeric_limits<To>::max();
    return static_cast<To>(real);
  } else {
    return static_cast<To>(value);
  }
}

/// Calls body.operator()<T>() with the type of a tensor's elements. The others are refused.
template <typename Body>
bool visit_float(ElementType type, Body&& body) {
  if (type == ElementType::float32) return body.template operator()<float>(), true;
  if (type == ElementType::float64) return body.template operator()<double>(), true;
  return false;
}
template <typename Body>
bool visit_integer(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::int8:
      return body.template operator()<std::int8_t>(), true;
    case ElementType::int16:
      return body.template operator()<std::int16_t>(), true;
    case ElementType::int32:
      return body.template operator()<std::int32_t>(), true;
    case ElementType::int64:
      return body.template operator()<std::int64_t>(), true;
    case ElementType::uint8:
      return body.template operator()<std::uint8_t>(), true;
    case ElementType::uint16:
      return body.template operator()<std::uint16_t>(), true;
    case ElementType::uint32:
      return body.template operator()<std::uint32_t>(), true;
    case ElementType::uint64:
      return body.template operator()<std::uint64_t>(), true;
    default:
      return false;
  }
}
[[noreturn]] void fail_of_type(ElementType type);

template <typename Body>
void visit_floats(ElementType type, Body&& body) {
  if (!visit_float(type, body)) fail_of_type(type);
}
template <typename Body>
void visit_numbers(ElementType type, Body&& body) {
  if (!visit_float(type, body) && !visit_integer(type, body)) fail_of_type(type);
}
/// Booleans as std::uint8_t.
template <typename Body>
void visit_numbers_and_booleans(ElementType type, Body&& body) {
  visit_numbers(type == ElementType::boolean ? ElementType::uint8 : type, body);
}

/// Calls body.operator()<T>() with an unsigned integer as wide as the elements: for what only moves them.
template <typename Body>
void visit_width(ElementType type, Body&& body) {
  switch (element_bits(type)) {
    case 8:
      return body.template operator()<std::uint8_t>();
    case 16:
      return body.template operator()<std::uint16_t>();
    case 32:
      return body.template operator()<std::uint32_t>();
    case 64:
      return body.template operator()<std::uint64_t>();
    default:
      fail_of_type(type);
  }
}
template <typename T>
std::span<const T> raw(const Tensor& tensor) {
  return {reinterpret_cast<const T*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(T)};
}
template <typename T>
std::span<T> raw(Tensor& tensor) {
  return {reinterpret_cast<T*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(T)};
}

}  // namespace bitsmith::trainer::onnx
