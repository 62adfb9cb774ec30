#include "trainer/onnx/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

struct TypeRow {
  ElementType type;
  std::string_view name;
  int bits;
};
constexpr TypeRow kTypes[] = {
    {ElementType::float32, "float32", 32}, {ElementType::uint8, "uint8", 8},
    {ElementType::int8, "int8", 8},        {ElementType::uint16, "uint16", 16},
    {ElementType::int16, "int16", 16},     {ElementType::int32, "int32", 32},
    {ElementType::int64, "int64", 64},     {ElementType::string, "str", 0},
    {ElementType::boolean, "bool", 8},     {ElementType::float16, "float16", 16},
    {ElementType::float64, "float64", 64}, {ElementType::uint32, "uint32", 32},
    {ElementType::uint64, "uint64", 64},   {ElementType::bfloat16, "bfloat16", 16},
    {ElementType::uint4, "uint4", 4},      {ElementType::int4, "int4", 4},
};

const TypeRow* find_type(ElementType type) {
  const auto* row = std::ranges::find(kTypes, type, &TypeRow::type);
  return row == std::end(kTypes) ? nullptr : row;
}

template <typename T>
bool is_stored_as(ElementType type) {
  if constexpr (std::is_same_v<T, float>) return type == ElementType::float32;
  if constexpr (std::is_same_v<T, double>) return type == ElementType::float64;
  if constexpr (std::is_same_v<T, std::int8_t>) return type == ElementType::int8;
  if constexpr (std::is_same_v<T, std::int16_t>) return type == ElementType::int16;
  if constexpr (std::is_same_v<T, std::int32_t>) return type == ElementType::int32;
  if constexpr (std::is_same_v<T, std::int64_t>) return type == ElementType::int64;
  if constexpr (std::is_same_v<T, std::uint8_t>)
    return type == ElementType::uint8 || type == ElementType::boolean;
  if constexpr (std::is_same_v<T, std::uint16_t>)
    return type == ElementType::uint16 || type == ElementType::float16 || type == ElementType::bfloat16;
  if constexpr (std::is_same_v<T, std::uint32_t>) return type == ElementType::uint32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return type == ElementType::uint64;
}

[[noreturn]] void refuse(const Node& node, std::string_view attribute, std::string_view kind) {
  throw base::UserError(fmt::format("{}: attribute {} must be {}", node.title(), shown(attribute), kind));
}

}  // namespace

std::string_view element_type_name(ElementType type) {
  const TypeRow* row = find_type(type);
  return row ? row->name : "?";
}

int element_bits(ElementType type) {
  const TypeRow* row = find_type(type);
  return row ? row->bits : 0;
}

std::string show(const Dims& dims) {
  if (dims.empty()) return "scalar";
  std::string text;
  for (std::size_t d = 0; d < dims.size() && d < kMostDims; ++d) {
    if (d > 0) text += 'x';
    text += dims[d] == -1 ? "?" : fmt::format("{}", dims[d]);
  }
  return dims.size() > kMostDims ? text + "x..." : text;
}

std::optional<std::int64_t> count_elements(const Dims& dims, std::int64_t most) {
  if (dims.size() > kMostDims) return std::nullopt;
  std::int64_t product = 1;
  bool is_empty = false;
  for (const std::int64_t extent : dims) {
    if (extent < 0) return std::nullopt;
    if (extent == 0) {
      is_empty = true;
    } else if (product > most / extent) {
      return std::nullopt;
    } else {
      product *= extent;
    }
  }
  return is_empty ? 0 : product;
}

std::size_t bytes_of(ElementType type, std::int64_t elements) {
  return (static_cast<std::size_t>(elements) * static_cast<std::size_t>(element_bits(type)) + 7) / 8;
}

std::int64_t Tensor::elements() const {
  const auto count = count_elements(dims);
  base::require(count.has_value(), "a tensor of dims that nobody checked");
  return *count;
}

template <typename T>
std::span<const T> Tensor::as() const {
  base::require(is_stored_as<T>(type), "a tensor is read as another type");
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <typename T>
std::span<T> Tensor::as() {
  base::require(is_stored_as<T>(type), "a tensor is written as another type");
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

#define BITSMITH_ONNX_STORED(T)                      \
  template std::span<const T> Tensor::as<T>() const; \
  template std::span<T> Tensor::as<T>();
BITSMITH_ONNX_STORED(float)
BITSMITH_ONNX_STORED(double)
BITSMITH_ONNX_STORED(std::int8_t)
BITSMITH_ONNX_STORED(std::int16_t)
BITSMITH_ONNX_STORED(std::int32_t)
BITSMITH_ONNX_STORED(std::int64_t)
BITSMITH_ONNX_STORED(std::uint8_t)
BITSMITH_ONNX_STORED(std::uint16_t)
BITSMITH_ONNX_STORED(std::uint32_t)
BITSMITH_ONNX_STORED(std::uint64_t)
#undef BITSMITH_ONNX_STORED

Tensor Tensor::make(ElementType type, Dims dims) {
  base::require(element_bits(type) > 0, "a tensor of a type without a width");
  Tensor tensor{type, std::move(dims), {}};
  tensor.bytes.resize(bytes_of(type, tensor.elements()));
  return tensor;
}

Tensor Tensor::of(Dims dims, std::span<const float> values) {
  Tensor tensor = make(ElementType::float32, std::move(dims));
  base::require(tensor.as<float>().size() == values.size(), "as many values as dims say");
  std::ranges::copy(values, tensor.as<float>().begin());
  return tensor;
}

Tensor Tensor::of(Dims dims, std::span<const std::int64_t> values) {
  Tensor tensor = make(ElementType::int64, std::move(dims));
  base::require(tensor.as<std::int64_t>().size() == values.size(), "as many values as dims say");
  std::ranges::copy(values, tensor.as<std::int64_t>().begin());
  return tensor;
}

const Attribute* Node::find(std::string_view attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? nullptr : &found->second;
}

std::int64_t Node::integer(std::string_view attribute, std::int64_t otherwise) const {
  const Attribute* found = find(attribute);
  if (!found) return otherwise;
  if (found->kind != Attribute::Kind::integer) refuse(*this, attribute, "an integer");
  return found->integer;
}

float Node::real(std::string_view attribute, float otherwise) const {
  const Attribute* found = find(attribute);
  if (!found) return otherwise;
  if (found->kind != Attribute::Kind::real) refuse(*this, attribute, "a real number");
  return found->real;
}

std::string Node::text(std::string_view attribute, std::string_view otherwise) const {
  const Attribute* found = find(attribute);
  if (!found) return std::string(otherwise);
  if (found->kind != Attribute::Kind::string) refuse(*this, attribute, "a string");
  return found->string;
}

std::vector<std::int64_t> Node::integers(std::string_view attribute,
                                         std::vector<std::int64_t> otherwise) const {
  const Attribute* found = find(attribute);
  if (!found) return otherwise;
  if (found->kind != Attribute::Kind::integers) refuse(*this, attribute, "a list of integers");
  return found->integers;
}

std::string Node::title() const {
  const std::string full =
      domain.empty() ? printable(op) : fmt::format("{} of {}", printable(op), shown(domain));
  if (!name.empty()) return full + " " + shown(name);
  return outputs.empty() || outputs.front().empty() ? full : full + " " + shown(outputs.front());
}

}  // namespace bitsmith::trainer::onnx
