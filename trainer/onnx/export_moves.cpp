// The operations that imported networks bring: functions, products, and what moves channels and pixels.
#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "trainer/onnx/export_operators.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using quant::Function;
using quant::Op;

/// One number a channel, as it is broadcast over N x C or N x C x H x W.
Dims channel_dims(const Written& x, const std::vector<float>& values) {
  Dims dims{static_cast<std::int64_t>(values.size())};
  if (!x.flat) dims.insert(dims.end(), {1, 1});
  return dims;
}

/// x times a function of x.
Written gated(GraphWriter& graph, const char* op, const Target& as, const Written& x, Attributes attributes) {
  const std::string gate =
      graph.add(op, graph.fresh_target(as.tensor + "/gate"), {x.name}, std::move(attributes));
  return {graph.add("Mul", as, {x.name, gate}), x.shape, x.flat};
}

Written write_slice(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  const std::int64_t begin = node.begin, end = begin + node.output.channels;
  const std::string starts = graph.constant(as.tensor + "/starts", std::vector{begin});
  const std::string ends = graph.constant(as.tensor + "/ends", std::vector{end});
  const std::string axes = graph.constant(as.tensor + "/axes", std::vector<std::int64_t>{1});
  return {graph.add("Slice", as, {x.name, starts, ends, axes}), node.output, x.flat};
}

Written write_shuffle(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& input) {
  const Written x = as_image(graph, input);
  const auto [channels, height, width] = x.shape;
  const std::string split = graph.add(
      "Reshape", graph.fresh_target(as.tensor + "/groups"),
      {x.name,
       graph.constant(as.tensor + "/split",
                      std::vector<std::int64_t>{0, node.groups, channels / node.groups, height, width})});
  const std::string turned = graph.add("Transpose", {as.node, graph.fresh(as.tensor + "/shuffled")}, {split},
                                       {{"perm", integers_attribute({0, 2, 1, 3, 4})}});
  const std::string dims =
      graph.constant(as.tensor + "/shape", std::vector<std::int64_t>{0, channels, height, width});
  return {graph.add("Reshape", {graph.fresh(as.node + "/whole"), as.tensor}, {turned, dims}), x.shape, false};
}

Written write_pad(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  const quant::Window& w = node.window;
  const std::string pads =
      graph.constant(as.tensor + "/pads",
                     std::vector<std::int64_t>{0, 0, w.pad_top, w.pad_left, 0, 0, w.pad_bottom, w.pad_right});
  const std::string value = graph.constant(as.tensor + "/value", node.factor);
  return {graph.add("Pad", as, {as_image(graph, x).name, pads, value}), node.output, false};
}

Written write_resize(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  const std::vector<float> factors{1, 1, static_cast<float>(node.window.stride_h),
                                   static_cast<float>(node.window.stride_w)};
  const std::string scales = graph.put(graph.fresh(as.tensor + "/scales"), {4}, factors);
  return {graph.add("Resize", as, {as_image(graph, x).name, "", scales},
                    {{"mode", text_attribute("nearest")},
                     {"nearest_mode", text_attribute("floor")},
                     {"coordinate_transformation_mode", text_attribute("asymmetric")}}),
          node.output, false};
}

}  // namespace

Written write_function(GraphWriter& graph, const Target& as, const Written& x, Function function, float alpha,
                       float beta) {
  switch (function) {
    case Function::sigmoid:
      return write_unary(graph, "Sigmoid", as, x);
    case Function::erf:
      return write_unary(graph, "Erf", as, x);
    case Function::clip:
      return write_clamp(graph, as, x, alpha, beta);
    case Function::leaky_relu:
      return {graph.add("LeakyRelu", as, {x.name}, {{"alpha", real_attribute(alpha)}}), x.shape, x.flat};
    case Function::hard_sigmoid:
      return {graph.add("HardSigmoid", as, {x.name},
                        {{"alpha", real_attribute(alpha)}, {"beta", real_attribute(beta)}}),
              x.shape, x.flat};
    case Function::hard_swish:  // an operator of its own from opset 14 on only
      return gated(graph, "HardSigmoid", as, x,
                   {{"alpha", real_attribute(1.0f / 6)}, {"beta", real_attribute(0.5f)}});
    case Function::silu:
      return gated(graph, "Sigmoid", as, x, {});
  }
  throw base::InternalError(fmt::format("{}: no ONNX for this function", as.node));
}

Written write_prelu(GraphWriter& graph, const Target& as, const Written& x, const std::string& weight,
                    const std::vector<float>& slopes) {
  graph.put(weight, channel_dims(x, slopes), slopes);
  return {graph.add("PRelu", as, {x.name, weight}), x.shape, x.flat};
}

Written write_scale(GraphWriter& graph, const Target& as, const Written& x, const std::string& weight,
                    const std::vector<float>& multiplier, const std::string& bias,
                    const std::vector<float>& offset) {
  graph.put(weight, channel_dims(x, multiplier), multiplier);
  graph.put(bias, channel_dims(x, offset), offset);
  const std::string scaled = graph.add("Mul", graph.fresh_target(as.tensor + "/scaled"), {x.name, weight});
  return {graph.add("Add", as, {scaled, bias}), x.shape, x.flat};
}

Written write_multiply(GraphWriter& graph, const Target& as, const Written& a, const Written& b) {
  const bool flat = a.flat && b.flat;
  const std::string first = flat ? a.name : as_image(graph, a).name;
  const std::string second = flat ? b.name : as_image(graph, b).name;
  return {graph.add("Mul", as, {first, second}), a.shape, flat};
}

Written write_concat(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& a,
                     const Written& b) {
  const bool flat = a.flat && b.flat;
  const std::string first = flat ? a.name : as_image(graph, a).name;
  const std::string second = flat ? b.name : as_image(graph, b).name;
  return {graph.add("Concat", as, {first, second}, {{"axis", integer_attribute(1)}}), node.output, flat};
}

Written write_moved(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  switch (node.op) {
    case Op::slice:
      return write_slice(graph, node, as, x);
    case Op::shuffle:
      return write_shuffle(graph, node, as, x);
    case Op::pad:
      return write_pad(graph, node, as, x);
    case Op::resize:
      return write_resize(graph, node, as, x);
    default:
      throw base::InternalError(fmt::format("{}: moves nothing", node.name));
  }
}

}  // namespace bitsmith::trainer::onnx
