#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/pick.hpp"
#include "trainer/onnx/operators/resize_plan.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

struct Tap {
  std::size_t index;
  double weight;
};

/// Weights of the taps around a place `fraction` after the second of four, or the first of two.
std::vector<double> weights_at(const ResizePlan& plan, double fraction) {
  if (plan.mode == "linear") return {1 - fraction, fraction};
  // Keys 1981.
  const double a = plan.cubic_a;
  const auto near = [&](double t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
  const auto far = [&](double t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
  return {far(1 + fraction), near(fraction), near(1 - fraction), far(2 - fraction)};
}

/// Taps outside of the input count for the element at its edge, or not at all.
std::vector<Tap> taps_of(const ResizePlan& plan, const ResizeAxis& axis, std::int64_t o) {
  const double at = std::clamp<double>(plan.place(axis, o), -4, static_cast<double>(axis.input) + 4);
  const std::vector<double> weights = weights_at(plan, at - std::floor(at));
  const auto first = static_cast<std::int64_t>(std::floor(at)) - (weights.size() == 4 ? 1 : 0);
  std::vector<Tap> taps;
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::int64_t index = first + static_cast<std::int64_t>(k);
    const bool is_outside = index < 0 || index >= axis.input;
    const double weight = is_outside && plan.excludes_outside ? 0 : weights[k];
    sum += weight;
    taps.push_back({static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, axis.input - 1)), weight});
  }
  if (plan.excludes_outside && sum != 0)
    for (Tap& tap : taps) tap.weight /= sum;
  return taps;
}

/// Resizes along one axis; `dims` are those of x, and become those of the result.
std::vector<double> interpolate(const std::vector<double>& x, Dims& dims, std::size_t d,
                                const ResizePlan& plan) {
  const ResizeAxis& axis = plan.axes[d];
  const auto outer = static_cast<std::size_t>(extent_of(dims, 0, d));
  const auto inner = static_cast<std::size_t>(extent_of(dims, d + 1, dims.size()));
  const auto from = static_cast<std::size_t>(axis.input), to = static_cast<std::size_t>(axis.output);
  std::vector<double> y(outer * to * inner, 0.0);
  for (std::size_t o = 0; o < to; ++o) {
    for (const Tap& tap : taps_of(plan, axis, static_cast<std::int64_t>(o)))
      for (std::size_t p = 0; p < outer; ++p)
        for (std::size_t i = 0; i < inner; ++i)
          y[(p * to + o) * inner + i] += tap.weight * x[(p * from + tap.index) * inner + i];
  }
  dims[d] = axis.output;
  return y;
}

void resize_nearest(const ResizePlan& plan, const Tensor& x, Tensor& y) {
  const Strides strides = row_major(x.dims);
  std::vector<std::vector<std::int64_t>> offsets(x.dims.size());
  for (std::size_t d = 0; d < offsets.size(); ++d)
    for (std::int64_t o = 0; o < plan.axes[d].output; ++o)
      offsets[d].push_back(
          plan.is_outside(plan.axes[d], o) ? -1 : plan.nearest_index(plan.axes[d], o) * strides[d]);
  Tensor filling = Tensor::make(x.type, {1});
  from_doubles(std::vector<double>{plan.extrapolation}, filling);
  pick(x, offsets, &filling, y);
}

void resize_smoothly(const ResizePlan& plan, const Tensor& x, Tensor& y) {
  std::vector<double> values = reals_of(x, "its input");
  Dims dims = x.dims;
  // What shrinks first: nothing in between is larger than both ends.
  std::vector<std::size_t> order(dims.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto growth = [&](std::size_t d) {
    return static_cast<double>(plan.axes[d].output) / static_cast<double>(plan.axes[d].input);
  };
  std::ranges::stable_sort(order, {}, growth);
  for (const std::size_t d : order) {
    const ResizeAxis& axis = plan.axes[d];
    const bool is_same =
        axis.input == axis.output && axis.scale == 1 && plan.coordinates != "tf_crop_and_resize";
    if (!is_same) values = interpolate(values, dims, d, plan);
  }
  if (plan.coordinates == "tf_crop_and_resize") {
    std::size_t outer = 1, inner = values.size();
    for (const ResizeAxis& axis : plan.axes) {
      const auto extent = static_cast<std::size_t>(axis.output);
      inner /= extent;
      for (std::size_t o = 0; o < extent; ++o)
        if (plan.is_outside(axis, static_cast<std::int64_t>(o)))
          for (std::size_t p = 0; p < outer; ++p)
            std::fill_n(values.begin() + static_cast<std::ptrdiff_t>((p * extent + o) * inner), inner,
                        plan.extrapolation);
      outer *= extent;
    }
  }
  from_doubles(values, y);
}

void resize(const OperatorCall& call) {
  const Tensor& x = input(call, 0);
  const ResizePlan plan = resize_plan(call);
  Dims dims;
  for (const ResizeAxis& axis : plan.axes) dims.push_back(axis.output);
  Tensor& y = make_output(call, 0, x.type, dims);
  if (y.bytes.empty()) return;
  if (x.bytes.empty()) fail(fmt::format("{} does not become {}", show(x.dims), show(dims)));
  if (plan.mode == "nearest") {
    resize_nearest(plan, x, y);
  } else {
    resize_smoothly(plan, x, y);
  }
}

void upsample(const OperatorCall& call) {
  if (call.opset >= 10) fail("since opset 10 it is Resize");
  resize(call);
}

constexpr OperatorRow kRows[] = {{"Resize", resize}, {"Upsample", upsample}};

}  // namespace

std::span<const OperatorRow> resize_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
