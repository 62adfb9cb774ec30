#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

struct Range {
  std::int64_t begin = 0, step = 1, count = 0;
};

// Negative ends count from the back; those beyond the tensor are cut, as ONNX says it: backwards from before
// the first element is one element, where numpy has none.
Range range_of(std::int64_t begin, std::int64_t end, std::int64_t step, std::int64_t extent) {
  if (step == 0) fail("a step of it is 0");
  if (extent == 0) return {};
  const auto cut = [&](std::int64_t index, std::int64_t low, std::int64_t high) {
    return std::clamp(index < 0 ? std::max(index, -extent - 1) + extent : index, low, high);
  };
  if (step > 0) {
    begin = cut(begin, 0, extent);
    end = cut(end, 0, extent);
    return {begin, step, end > begin ? (end - begin - 1) / step + 1 : 0};
  }
  begin = cut(begin, 0, extent - 1);
  end = cut(end, -1, extent - 1);
  step = std::max(step, -extent - 1);  // more is no different, and can be negated
  return {begin, step, begin > end ? (begin - end - 1) / -step + 1 : 0};
}

std::vector<std::int64_t> given(const OperatorCall& call, std::size_t index, std::string_view what) {
  auto values = optional_integers(call, index, what);
  if (!values) fail(fmt::format("{} is missing", what));
  return *values;
}

// Attributes before opset 10, inputs from then on; axes and steps may be left out.
void slice(const OperatorCall& call) {
  expect_inputs(call, 1, 5);
  const Tensor& x = input(call, 0);
  const auto starts = given(call, 1, "starts"), ends = given(call, 2, "ends");
  std::vector<std::int64_t> all(starts.size());
  std::iota(all.begin(), all.end(), 0);
  const auto axes = axes_of(optional_integers(call, 3, "axes").value_or(all), x.dims.size());
  const auto steps =
      optional_integers(call, 4, "steps").value_or(std::vector<std::int64_t>(starts.size(), 1));
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    fail(fmt::format("it has {} starts, {} ends, {} axes and {} steps", starts.size(), ends.size(),
                     axes.size(), steps.size()));
  Strides strides = row_major(x.dims);
  Dims dims = x.dims;
  std::int64_t first = 0;
  for (std::size_t s = 0; s < starts.size(); ++s) {
    const std::size_t axis = axes[s];
    const Range range = range_of(starts[s], ends[s], steps[s], x.dims[axis]);
    dims[axis] = range.count;
    first += range.begin * strides[axis];
    // One element needs no step, and a large one could not be multiplied.
    strides[axis] *= range.count > 1 ? range.step : 0;
  }
  Tensor& y = make_output(call, 0, x.type, dims);
  visit_width(x.type, [&]<typename T>() {
    const auto from = raw<T>(x);
    const auto to = raw<T>(y);
    walk<1>(dims, {&strides},
            [&](std::size_t i, const auto& at) { to[i] = from[static_cast<std::size_t>(first + at[0])]; });
  });
}

constexpr OperatorRow kRows[] = {{"Slice", slice}};

}  // namespace

std::span<const OperatorRow> slice_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
