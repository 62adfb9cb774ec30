#include "trainer/onnx/operators/call.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {

void fail(const std::string& why) { throw base::UserError(why); }

const Tensor& input(const OperatorCall& call, std::size_t index) {
  const Tensor* tensor = optional_input(call, index);
  if (!tensor) fail(fmt::format("input {} is missing", index));
  return *tensor;
}

const Tensor* optional_input(const OperatorCall& call, std::size_t index) {
  return index < call.inputs.size() ? call.inputs[index] : nullptr;
}

void expect_inputs(const OperatorCall& call, std::size_t least, std::size_t most) {
  for (std::size_t i = 0; i < least; ++i) input(call, i);
  if (call.inputs.size() > most)
    fail(fmt::format("it has {} inputs, at most {} are allowed", call.inputs.size(), most));
}

bool wants_output(const OperatorCall& call, std::size_t index) {
  return index < call.node.outputs.size() && !call.node.outputs[index].empty();
}

void take_operations(const OperatorCall& call, double operations) {
  if (!call.budget) return;
  if (operations > call.budget->operations)
    fail(fmt::format("it would take {:.2g} operations, {:.2g} are left of what all may take together",
                     operations, call.budget->operations));
  call.budget->operations -= operations;
}

Tensor& make_output(const OperatorCall& call, std::size_t index, ElementType type, Dims dims) {
  const auto elements = count_elements(dims);
  const std::int64_t bytes = elements ? static_cast<std::int64_t>(bytes_of(type, *elements)) : 0;
  if (call.budget && bytes > call.budget->bytes)
    fail(fmt::format("its output would be {}, {} bytes: {} are left of what all may take together",
                     show(dims), bytes, call.budget->bytes));
  if (!elements || *elements > call.most_elements)
    fail(fmt::format("its output would be {}: at most {} elements are allowed", show(dims),
                     call.most_elements));
  take_operations(call, static_cast<double>(*elements));
  if (call.budget) call.budget->bytes -= bytes;
  return call.outputs.at(index) = Tensor::make(type, std::move(dims));
}

void check_work(const OperatorCall& call, std::initializer_list<std::int64_t> factors) {
  constexpr double kOperationsPerElement = 4096;
  double work = 1;
  for (const std::int64_t factor : factors) work *= static_cast<double>(factor);
  if (work > kOperationsPerElement * static_cast<double>(call.most_elements))
    fail(fmt::format("it would take {:.2g} operations", work));
  take_operations(call, work);
}

std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) fail(fmt::format("axis {} is none of {} axes", axis, rank));
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

std::vector<std::size_t> axes_of(const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<std::size_t> result;
  std::vector<bool> is_taken(rank, false);
  for (const std::int64_t axis : axes) {
    const std::size_t index = axis_of(axis, rank);
    if (is_taken[index]) fail(fmt::format("axis {} is given more than once", axis));
    is_taken[index] = true;
    result.push_back(index);
  }
  return result;
}

std::optional<std::vector<std::int64_t>> optional_integers(const OperatorCall& call, std::size_t index,
                                                           std::string_view attribute) {
  if (const Tensor* tensor = optional_input(call, index)) return integers_of(*tensor, attribute);
  if (!call.node.find(attribute)) return std::nullopt;
  return call.node.integers(attribute, {});
}

std::vector<std::int64_t> integers_of(const Tensor& tensor, std::string_view what) {
  if (tensor.dims.size() > 1)
    fail(fmt::format("{} must be a list, not a tensor of {}", what, show(tensor.dims)));
  if (tensor.type == ElementType::int64) {
    const auto values = tensor.as<std::int64_t>();
    return {values.begin(), values.end()};
  }
  if (tensor.type != ElementType::int32)
    fail(fmt::format("{} must be int64 or int32, not {}", what, element_type_name(tensor.type)));
  const auto values = tensor.as<std::int32_t>();
  return {values.begin(), values.end()};
}

std::vector<double> reals_of(const Tensor& tensor, std::string_view what) {
  if (!is_float(tensor.type))
    fail(fmt::format("{} must be floats, not {}", what, element_type_name(tensor.type)));
  return to_doubles(tensor);
}

double real_of(const Tensor& tensor, std::string_view what) {
  if (tensor.elements() != 1) fail(fmt::format("{} must be one value, not {}", what, show(tensor.dims)));
  return reals_of(tensor, what).front();
}

bool truth_of(const Tensor& tensor, std::string_view what) {
  expect_type(tensor, ElementType::boolean, what);
  if (tensor.elements() != 1) fail(fmt::format("{} must be one value, not {}", what, show(tensor.dims)));
  return tensor.as<std::uint8_t>().front() != 0;
}

void expect_type(const Tensor& tensor, ElementType type, std::string_view what) {
  if (tensor.type != type)
    fail(fmt::format("{} must be {}, not {}", what, element_type_name(type), element_type_name(tensor.type)));
}

void expect_same_type(const Tensor& a, const Tensor& b) {
  if (a.type != b.type)
    fail(fmt::format("its inputs must be of one type, not {} and {}", element_type_name(a.type),
                     element_type_name(b.type)));
}

bool flag(const OperatorCall& call, std::string_view attribute, bool otherwise) {
  return call.node.integer(attribute, otherwise ? 1 : 0) != 0;
}

std::string word(const OperatorCall& call, std::string_view attribute, std::string_view otherwise,
                 std::initializer_list<std::string_view> allowed) {
  std::string text = call.node.text(attribute, otherwise);
  if (std::ranges::find(allowed, text) == allowed.end()) {
    const std::vector<std::string> names(allowed.begin(), allowed.end());
    fail(
        fmt::format("attribute {} is {}; {} are supported", attribute, shown(text), base::join_names(names)));
  }
  return text;
}

std::int64_t extent_of(const Dims& dims, std::size_t begin, std::size_t end) {
  std::int64_t product = 1;
  for (std::size_t d = begin; d < end; ++d) product *= dims[d];
  return product;
}

}  // namespace bitsmith::trainer::onnx
