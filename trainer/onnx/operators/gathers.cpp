#include <fmt/format.h>

#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Indices on an axis; negative ones count from the back.
std::vector<std::size_t> indices_on(const Tensor& indices, std::int64_t extent) {
  Tensor flat = indices;
  flat.dims = {indices.elements()};
  std::vector<std::size_t> result;
  for (const std::int64_t index : integers_of(flat, "indices")) {
    if (index < -extent || index >= extent) fail(fmt::format("index {} is none of {}", index, extent));
    result.push_back(static_cast<std::size_t>(index < 0 ? index + extent : index));
  }
  return result;
}

void gather(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Tensor &x = input(call, 0), &indices = input(call, 1);
  const std::size_t axis = axis_of(call.node.integer("axis", 0), x.dims.size());
  const auto places = indices_on(indices, x.dims[axis]);
  Dims dims(x.dims.begin(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.dims.end());
  Tensor& y = make_output(call, 0, x.type, dims);
  if (y.bytes.empty()) return;
  const auto outer = static_cast<std::size_t>(extent_of(x.dims, 0, axis));
  const auto inner = static_cast<std::size_t>(extent_of(x.dims, axis + 1, x.dims.size()));
  const auto extent = static_cast<std::size_t>(x.dims[axis]);
  visit_width(x.type, [&]<typename T>() {
    const auto from = raw<T>(x);
    const auto to = raw<T>(y);
    std::size_t at = 0;
    for (std::size_t o = 0; o < outer; ++o)
      for (const std::size_t place : places)
        for (std::size_t i = 0; i < inner; ++i) to[at++] = from[(o * extent + place) * inner + i];
  });
}

// y[i, j, k] = x[i, indices[i, j, k], k] for the axis of j.
void gather_elements(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Tensor &x = input(call, 0), &indices = input(call, 1);
  const std::size_t axis = axis_of(call.node.integer("axis", 0), x.dims.size());
  bool is_fit = indices.dims.size() == x.dims.size();
  for (std::size_t d = 0; is_fit && d < x.dims.size(); ++d)
    is_fit = d == axis || indices.dims[d] <= x.dims[d];
  if (!is_fit) fail(fmt::format("indices of {} do not fit {}", show(indices.dims), show(x.dims)));
  const auto places = indices_on(indices, x.dims[axis]);
  Tensor& y = make_output(call, 0, x.type, indices.dims);
  visit_width(x.type, [&]<typename T>() {
    const auto from = raw<T>(x);
    const auto to = raw<T>(y);
    for (std::size_t i = 0; i < to.size(); ++i) {
      std::size_t rest = i, stride = 1, at = 0;
      for (std::size_t d = x.dims.size(); d-- > 0;) {
        const auto extent = static_cast<std::size_t>(indices.dims[d]);
        at += stride * (d == axis ? places[i] : rest % extent);
        rest /= extent;
        stride *= static_cast<std::size_t>(x.dims[d]);
      }
      to[i] = from[at];
    }
  });
}

constexpr OperatorRow kRows[] = {{"Gather", gather}, {"GatherElements", gather_elements}};

}  // namespace

std::span<const OperatorRow> gather_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
