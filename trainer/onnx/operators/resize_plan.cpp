#include "trainer/onnx/operators/resize_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

std::int64_t scaled(float extent, float scale) {
  const float output = std::floor(extent * scale);
  if (!(scale > 0) || !(output <= static_cast<float>(kMostElements)))
    fail(fmt::format("an extent of {} scaled by {} is none", extent, scale));
  return static_cast<std::int64_t>(output);
}

void apply_scales(ResizePlan& plan, const std::vector<std::size_t>& chosen,
                  const std::vector<double>& scales) {
  if (scales.size() != chosen.size())
    fail(fmt::format("it has {} scales for {} axes", scales.size(), chosen.size()));
  for (std::size_t a = 0; a < chosen.size(); ++a) {
    ResizeAxis& axis = plan.axes[chosen[a]];
    axis.scale = static_cast<float>(scales[a]);
    const float part = plan.coordinates == "tf_crop_and_resize" ? axis.roi_end - axis.roi_begin : 1;
    axis.output = scaled(static_cast<float>(axis.input) * part, axis.scale);
  }
}

// A size for each axis; or one scale for all of them, so that none is larger (or smaller) than asked for.
void apply_sizes(const OperatorCall& call, ResizePlan& plan, const std::vector<std::size_t>& chosen,
                 const Dims& sizes) {
  if (sizes.size() != chosen.size())
    fail(fmt::format("it has {} sizes for {} axes", sizes.size(), chosen.size()));
  const std::string policy =
      word(call, "keep_aspect_ratio_policy", "stretch", {"stretch", "not_larger", "not_smaller"});
  std::vector<float> scales;
  for (std::size_t a = 0; a < chosen.size(); ++a) {
    ResizeAxis& axis = plan.axes[chosen[a]];
    if (sizes[a] < 0 || sizes[a] > kMostElements || (axis.input == 0 && sizes[a] > 0))
      fail(fmt::format("size {} of an extent of {} is none", sizes[a], axis.input));
    axis.output = sizes[a];
    axis.scale = axis.input == 0 ? 1 : static_cast<float>(sizes[a]) / static_cast<float>(axis.input);
    scales.push_back(axis.scale);
  }
  if (policy == "stretch" || scales.empty()) return;
  const float scale =
      policy == "not_larger" ? *std::ranges::min_element(scales) : *std::ranges::max_element(scales);
  for (const std::size_t a : chosen) {
    ResizeAxis& axis = plan.axes[a];
    axis.scale = scale;
    axis.output = scaled(static_cast<float>(axis.input) * scale + 0.5F, 1);
  }
}

void read_roi(const OperatorCall& call, ResizePlan& plan, const std::vector<std::size_t>& chosen) {
  if (plan.coordinates != "tf_crop_and_resize") return;
  const std::vector<double> roi = reals_of(input(call, 1), "roi");
  if (roi.size() != 2 * chosen.size())
    fail(fmt::format("roi has {} values for {} axes, two for each are needed", roi.size(), chosen.size()));
  for (std::size_t a = 0; a < chosen.size(); ++a) {
    plan.axes[chosen[a]].roi_begin = static_cast<float>(roi[a]);
    plan.axes[chosen[a]].roi_end = static_cast<float>(roi[a + chosen.size()]);
  }
}

}  // namespace

ResizePlan resize_plan(const OperatorCall& call) {
  ResizePlan plan;
  for (const std::int64_t extent : input(call, 0).dims) plan.axes.push_back({extent, extent, 1, 0, 1});
  std::vector<std::int64_t> all(plan.axes.size());
  std::iota(all.begin(), all.end(), 0);
  plan.coordinates = "asymmetric";
  plan.nearest = "simple";
  if (call.opset < 11) {
    expect_inputs(call, 2, 2);
    plan.mode = word(call, "mode", "nearest", {"nearest", "linear"});
    apply_scales(plan, axes_of(all, plan.axes.size()), reals_of(input(call, 1), "scales"));
    return plan;
  }
  expect_inputs(call, 1, 4);
  plan.mode = word(call, "mode", "nearest", {"nearest", "linear", "cubic"});
  plan.coordinates = word(call, "coordinate_transformation_mode", "half_pixel",
                          {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                           "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"});
  plan.nearest = word(call, "nearest_mode", "round_prefer_floor",
                      {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  plan.excludes_outside = flag(call, "exclude_outside");
  plan.cubic_a = call.node.real("cubic_coeff_a", -0.75F);
  plan.extrapolation = call.node.real("extrapolation_value", 0);
  if (flag(call, "antialias")) fail("antialiasing is not supported");
  const auto chosen = axes_of(call.node.integers("axes", all), plan.axes.size());
  read_roi(call, plan, chosen);
  // Before opset 13 an input could not be left out: it was empty.
  const Tensor *scales = optional_input(call, 2), *sizes = optional_input(call, 3);
  const bool has_scales = scales && scales->elements() > 0, has_sizes = sizes && sizes->elements() > 0;
  if (has_scales == has_sizes) fail("it needs either scales or sizes");
  if (has_scales) {
    apply_scales(plan, chosen, reals_of(*scales, "scales"));
  } else {
    apply_sizes(call, plan, chosen, integers_of(*sizes, "sizes"));
  }
  return plan;
}

float ResizePlan::place(const ResizeAxis& axis, std::int64_t o) const {
  if (axis.input == axis.output && axis.scale == 1 && coordinates != "tf_crop_and_resize")
    return static_cast<float>(o);
  const auto at = static_cast<float>(o), last_in = static_cast<float>(axis.input - 1),
             last_out = static_cast<float>(axis.output - 1);
  if (coordinates == "asymmetric") return at / axis.scale;
  if (coordinates == "tf_half_pixel_for_nn") return (at + 0.5F) / axis.scale;
  if (coordinates == "align_corners") return axis.output == 1 ? 0 : at * last_in / last_out;
  if (coordinates == "pytorch_half_pixel") return axis.output == 1 ? 0 : (at + 0.5F) / axis.scale - 0.5F;
  if (coordinates == "tf_crop_and_resize") {
    if (axis.output == 1) return 0.5F * (axis.roi_begin + axis.roi_end) * last_in;
    return axis.roi_begin * last_in + at * (axis.roi_end - axis.roi_begin) * last_in / last_out;
  }
  if (coordinates == "half_pixel") return (at + 0.5F) / axis.scale - 0.5F;
  // Symmetric: what rounding the output's extent down left over is shared by both ends.
  const float adjustment = static_cast<float>(axis.output) / (axis.scale * static_cast<float>(axis.input));
  return static_cast<float>(axis.input) / 2 * (1 - adjustment) + (at + 0.5F) / axis.scale - 0.5F;
}

std::int64_t ResizePlan::nearest_index(const ResizeAxis& axis, std::int64_t o) const {
  const float at = place(axis, o);
  float index = 0;
  if (nearest == "floor" || (nearest == "simple" && axis.scale >= 1)) {
    index = std::floor(at);
  } else if (nearest == "ceil" || nearest == "simple") {
    index = std::ceil(at);
  } else if (nearest == "round_prefer_floor") {
    index = std::ceil(at - 0.5F);
  } else {
    index = std::floor(at + 0.5F);
  }
  return cast_value<std::int64_t>(std::clamp(index, 0.0F, static_cast<float>(axis.input - 1)));
}

bool ResizePlan::is_outside(const ResizeAxis& axis, std::int64_t o) const {
  if (coordinates != "tf_crop_and_resize") return false;
  const float at = place(axis, o);
  return !(at >= 0 && at <= static_cast<float>(axis.input - 1));
}

}  // namespace bitsmith::trainer::onnx
