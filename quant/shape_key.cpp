#include <fmt/format.h>

#include "quant/plan.hpp"

namespace bitsmith::quant {
namespace {

std::string show(const Shape& shape) {
  if (shape.height == 1 && shape.width == 1) return fmt::format("{}", shape.channels);
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

// "3" for equal values, else "3x1".
std::string pair(int a, int b) { return a == b ? fmt::format("{}", a) : fmt::format("{}x{}", a, b); }

std::string show(const Window& w) {
  const bool even = w.pad_top == w.pad_left && w.pad_top == w.pad_bottom && w.pad_top == w.pad_right;
  std::string text =
      fmt::format(" k{}x{} s{} p{}", w.kernel_h, w.kernel_w, pair(w.stride_h, w.stride_w),
                  even ? fmt::format("{}", w.pad_top)
                       : fmt::format("{},{},{},{}", w.pad_top, w.pad_left, w.pad_bottom, w.pad_right));
  if (w.dilation_h != 1 || w.dilation_w != 1) text += fmt::format(" d{}", pair(w.dilation_h, w.dilation_w));
  return text;
}

}  // namespace

std::string_view storage_name(Storage storage) {
  switch (storage) {
    case Storage::f32:
      return "f32";
    case Storage::u8:
      return "u8";
    case Storage::s8:
      return "s8";
  }
  return "?";
}

std::string_view step_kind_name(StepKind kind) {
  switch (kind) {
    case StepKind::layer:
      return "layer";
    case StepKind::quantize:
      return "quantize";
    case StepKind::batch_norm:
      return "batch_norm";
    case StepKind::relu:
      return "relu";
    case StepKind::add:
      return "add";
    case StepKind::max_pool:
      return "max_pool";
    case StepKind::average_pool:
      return "average_pool";
    case StepKind::global_average_pool:
      return "global_average_pool";
    case StepKind::flatten:
      return "flatten";
    case StepKind::layer_norm:
      return "layer_norm";
    case StepKind::gelu:
      return "gelu";
    case StepKind::softmax:
      return "softmax";
    case StepKind::matmul:
      return "matmul";
    case StepKind::position:
      return "position";
    case StepKind::function:
      return "function";
    case StepKind::prelu:
      return "prelu";
    case StepKind::multiply:
      return "multiply";
    case StepKind::concat:
      return "concat";
    case StepKind::slice:
      return "slice";
    case StepKind::shuffle:
      return "shuffle";
    case StepKind::pad:
      return "pad";
    case StepKind::resize:
      return "resize";
  }
  return "?";
}

bool runs_in_place(StepKind kind) {
  switch (kind) {
    case StepKind::add:
    case StepKind::relu:
    case StepKind::batch_norm:
    case StepKind::layer_norm:
    case StepKind::gelu:
    case StepKind::softmax:
    case StepKind::position:
    case StepKind::function:
    case StepKind::prelu:
    case StepKind::multiply:
      return true;
    default:
      return false;
  }
}

std::string Step::shape_key(const NetworkInfo& network) const {
  std::string text;
  if (kind == StepKind::layer) {
    const LayerInfo& info = network.layers[static_cast<std::size_t>(layer)];
    const bool linear = info.kind == LayerKind::linear;
    text =
        fmt::format("{} {} -> {}", layer_kind_name(info.kind),
                    linear ? fmt::format("{}", info.input.elements()) : show(info.input), show(info.output));
    if (!linear) text += show(info.window) + fmt::format(" g{}", info.groups);
  } else if (kind == StepKind::matmul) {
    text = fmt::format("matmul {} x {} -> {} g{}{}", show(input), show(second_input), show(output), groups,
                       transpose ? " transposed" : "");
  } else if (kind == StepKind::multiply || kind == StepKind::concat) {
    text = fmt::format("{} {} and {}", step_kind_name(kind), show(input), show(second_input));
  } else if (kind == StepKind::function) {
    text = fmt::format("{} {}", function_name(function), show(input));
  } else if (input == output) {
    text = fmt::format("{} {}", step_kind_name(kind), show(input));
  } else {
    text = fmt::format("{} {} -> {}", step_kind_name(kind), show(input), show(output));
  }
  if (kind == StepKind::max_pool || kind == StepKind::average_pool) text += show(window);
  if (counts_padding) text += " counting padding";
  if (kind == StepKind::softmax || kind == StepKind::shuffle) text += fmt::format(" g{}", groups);
  if (kind == StepKind::slice) text += fmt::format(" from {}", begin);
  if (kind == StepKind::pad) text += fmt::format(" p{},{}", window.pad_top, window.pad_left);
  text += fmt::format(" {}", storage_name(from));
  if (second != kNothing && second_from != from) text += fmt::format(" + {}", storage_name(second_from));
  text += fmt::format(" -> {}", storage_name(to));
  if (fused_relu) text += " relu";
  if (clamped) text += " clamped";
  if (dynamic_bits > 0) text += fmt::format(" dynamic{}", dynamic_bits);
  return text;
}

}  // namespace bitsmith::quant
