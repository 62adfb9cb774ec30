#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

void constant(const OperatorCall& call) {
  expect_inputs(call, 0, 0);
  if (call.node.attributes.size() != 1)
    fail(fmt::format("it has {} attributes, one of which is its value", call.node.attributes.size()));
  const auto& [name, attribute] = *call.node.attributes.begin();
  Tensor value;
  if (name == "value" && attribute.kind == Attribute::Kind::tensor) {
    value = attribute.tensor;
  } else if (name == "value_float") {
    value = Tensor::of({}, std::vector<float>{call.node.real(name, 0)});
  } else if (name == "value_int") {
    value = Tensor::of({}, std::vector<std::int64_t>{call.node.integer(name, 0)});
  } else if (name == "value_floats" && attribute.kind == Attribute::Kind::reals) {
    value = Tensor::of({static_cast<std::int64_t>(attribute.reals.size())}, attribute.reals);
  } else if (name == "value_ints" && attribute.kind == Attribute::Kind::integers) {
    value = Tensor::of({static_cast<std::int64_t>(attribute.integers.size())}, attribute.integers);
  } else {
    fail(fmt::format("a value in attribute {} is not supported", shown(name)));
  }
  make_output(call, 0, value.type, value.dims).bytes = value.bytes;
}

void constant_of_shape(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Dims dims = integers_of(input(call, 0), "its input");
  const Attribute* value = call.node.find("value");
  if (!value) return void(make_output(call, 0, ElementType::float32, dims));
  if (value->kind != Attribute::Kind::tensor || value->tensor.elements() != 1)
    fail("attribute value must be a tensor of one value");
  Tensor& y = make_output(call, 0, value->tensor.type, dims);
  visit_width(y.type, [&]<typename T>() { std::ranges::fill(raw<T>(y), raw<T>(value->tensor)[0]); });
}

template <typename T>
void count_from(const OperatorCall& call) {
  const auto value = [&](std::size_t index) {
    const Tensor& tensor = input(call, index);
    expect_same_type(input(call, 0), tensor);
    if (tensor.elements() != 1) fail(fmt::format("it takes single values, not {}", show(tensor.dims)));
    return tensor.as<T>()[0];
  };
  const T start = value(0), limit = value(1), delta = value(2);
  if (delta == 0) fail("its step is 0");
  // Only its size matters here: what is too large for a double's integers is refused below.
  const double count =
      std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
  if (!(count < static_cast<double>(call.most_elements)))
    fail(fmt::format("its output would have {} elements, at most {} are allowed", count, call.most_elements));
  const auto elements = static_cast<std::int64_t>(std::max(count, 0.0));
  const auto to = make_output(call, 0, input(call, 0).type, {elements}).template as<T>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = plus(start, times(static_cast<T>(i), delta));
}

void range(const OperatorCall& call) {
  expect_inputs(call, 3, 3);
  visit_numbers(input(call, 0).type, [&]<typename T>() { count_from<T>(call); });
}

// All dims, or those from start up to end, which count from the back when negative and are cut.
void shape(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Dims& x = input(call, 0).dims;
  const auto rank = static_cast<std::int64_t>(x.size());
  const auto place = [&](std::string_view attribute, std::int64_t otherwise) {
    const std::int64_t index = call.node.integer(attribute, otherwise);
    return std::clamp<std::int64_t>(index < 0 ? std::max(index, -rank) + rank : index, 0, rank);
  };
  const std::int64_t start = place("start", 0), end = std::max(start, place("end", rank));
  const auto to = make_output(call, 0, ElementType::int64, {end - start}).as<std::int64_t>();
  std::copy(x.begin() + start, x.begin() + end, to.begin());
}

void size(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  make_output(call, 0, ElementType::int64, {}).as<std::int64_t>()[0] = input(call, 0).elements();
}

constexpr OperatorRow kRows[] = {
    {"Constant", constant}, {"ConstantOfShape", constant_of_shape}, {"Range", range, true}, {"Shape", shape},
    {"Size", size},
};

}  // namespace

std::span<const OperatorRow> constant_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
