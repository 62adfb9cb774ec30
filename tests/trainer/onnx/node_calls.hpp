#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/operators/types.hpp"

/// Single nodes, written down in tests.
namespace bitsmith::tests {

using trainer::onnx::Attribute;
using trainer::onnx::Dims;
using trainer::onnx::ElementType;
using trainer::onnx::Tensor;

inline Tensor tensor(ElementType type, Dims dims, const std::vector<double>& values) {
  Tensor result = Tensor::make(type, std::move(dims));
  trainer::onnx::from_doubles(values, result);
  return result;
}
inline Tensor floats(Dims dims, const std::vector<double>& values) {
  return tensor(ElementType::float32, std::move(dims), values);
}
inline Tensor integers(const std::vector<double>& values) {
  return tensor(ElementType::int64, {static_cast<std::int64_t>(values.size())}, values);
}
/// 0, 1, 2, ...
inline Tensor counted(Dims dims, ElementType type = ElementType::float32) {
  Tensor result = Tensor::make(type, std::move(dims));
  std::vector<double> values(static_cast<std::size_t>(result.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  trainer::onnx::from_doubles(values, result);
  return result;
}

inline Attribute integer(std::int64_t value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::integer;
  attribute.integer = value;
  return attribute;
}
inline Attribute real(float value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::real;
  attribute.real = value;
  return attribute;
}
inline Attribute word(std::string value) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::string;
  attribute.string = std::move(value);
  return attribute;
}
inline Attribute list(std::vector<std::int64_t> values) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::integers;
  attribute.integers = std::move(values);
  return attribute;
}
inline Attribute value(Tensor tensor) {
  Attribute attribute;
  attribute.kind = Attribute::Kind::tensor;
  attribute.tensor = std::move(tensor);
  return attribute;
}

using Attributes = std::map<std::string, Attribute, std::less<>>;

/// Inputs of type `undefined` are left out.
inline std::vector<Tensor> compute(const std::string& op, std::int64_t opset,
                                   const std::vector<Tensor>& inputs, Attributes attributes = {},
                                   std::size_t outputs = 1) {
  trainer::onnx::Node node;
  node.op = op;
  node.name = "it";
  node.attributes = std::move(attributes);
  std::vector<const Tensor*> given;
  for (const Tensor& input : inputs) given.push_back(input.type == ElementType::undefined ? nullptr : &input);
  for (std::size_t o = 0; o < outputs; ++o) node.outputs.push_back("output" + std::to_string(o));
  return trainer::onnx::compute_node(node, opset, given);
}

}  // namespace bitsmith::tests
