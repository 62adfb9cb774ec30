#include <algorithm>
#include <cmath>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Elements outer x along x inner that are normalised along the middle.
struct Lines {
  std::size_t outer, along, inner;
};

// Before opset 13 the tensor is flattened into a matrix at the axis; from then on only the axis counts.
Lines lines_of(const OperatorCall& call, const Dims& dims) {
  const auto extent = [&](std::size_t begin, std::size_t end) {
    return static_cast<std::size_t>(extent_of(dims, begin, end));
  };
  const std::size_t rank = dims.size();
  if (call.opset < 13) {
    const std::int64_t axis = call.node.integer("axis", 1);
    const std::size_t at = axis == static_cast<std::int64_t>(rank) ? rank : axis_of(axis, rank);
    return {extent(0, at), extent(at, rank), 1};
  }
  const std::size_t at = axis_of(call.node.integer("axis", -1), rank);
  return {extent(0, at), extent(at, at + 1), extent(at + 1, rank)};
}

/// Calls body(first, step) for each line that has elements.
template <typename Body>
void for_each_line(const Lines& lines, Body body) {
  if (lines.along == 0) return;
  for (std::size_t o = 0; o < lines.outer; ++o)
    for (std::size_t i = 0; i < lines.inner; ++i) body(o * lines.along * lines.inner + i);
}

template <bool is_log>
void softmax(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  const Lines lines = lines_of(call, x.dims);
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for_each_line(lines, [&](std::size_t first) {
      const auto value = [&](std::size_t k) { return static_cast<double>(from[first + k * lines.inner]); };
      double most = value(0), sum = 0;
      for (std::size_t k = 1; k < lines.along; ++k) most = std::max(most, value(k));
      for (std::size_t k = 0; k < lines.along; ++k) sum += std::exp(value(k) - most);
      const double log_sum = std::log(sum);
      for (std::size_t k = 0; k < lines.along; ++k)
        to[first + k * lines.inner] =
            static_cast<T>(is_log ? value(k) - most - log_sum : std::exp(value(k) - most) / sum);
    });
  });
}

// 1 at the first of the largest.
void hardmax(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  const Lines lines = lines_of(call, x.dims);
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for_each_line(lines, [&](std::size_t first) {
      std::size_t most = first;
      for (std::size_t k = 1; k < lines.along; ++k)
        if (from[first + k * lines.inner] > from[most]) most = first + k * lines.inner;
      to[most] = 1;
    });
  });
}

constexpr OperatorRow kRows[] = {
    {"Hardmax", hardmax, true},
    {"LogSoftmax", softmax<true>, true},
    {"Softmax", softmax<false>, true},
};

}  // namespace

std::span<const OperatorRow> softmax_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
