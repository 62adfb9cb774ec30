#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "quant/row_pad.hpp"
#include "trainer/onnx/export_operators.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using quant::Function;
using quant::Op;

std::string reshaped(GraphWriter& graph, const Target& as, const std::string& x,
                     std::vector<std::int64_t> dims) {
  return graph.add("Reshape", as, {x, graph.constant(as.tensor + "/shape", std::move(dims))});
}

Written write_shuffle(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  const Written image = as_image(graph, x);
  const quant::Shape& s = image.shape;
  const std::string apart = reshaped(graph, graph.fresh_target(as.tensor + "/groups"), image.name,
                                     {0, node.groups, s.channels / node.groups, s.height, s.width});
  const std::string turned = graph.add("Transpose", graph.fresh_target(as.tensor + "/turned"), {apart},
                                       {{"perm", integers_attribute({0, 2, 1, 3, 4})}});
  return {reshaped(graph, as, turned, {0, s.channels, s.height, s.width}), node.output, false};
}

Written write_pad(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  Written image = as_image(graph, x);
  if (const quant::Shape row = quant::padded_input(node, image.shape); row != image.shape)
    image.name = reshaped(graph, graph.fresh_target(as.tensor + "/row"), image.name,
                          {0, row.channels, row.height, row.width});
  const quant::Window& w = node.window;
  const std::string pads =
      graph.constant(as.tensor + "/pads",
                     std::vector<std::int64_t>{0, 0, w.pad_top, w.pad_left, 0, 0, w.pad_bottom, w.pad_right});
  return {graph.add("Pad", as, {image.name, pads, graph.constant(as.tensor + "/value", node.factor)}),
          node.output, false};
}

Written write_resize(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  const Written image = as_image(graph, x);
  const std::string& factors =
      graph.put(graph.fresh(as.tensor + "/factors"), {4},
                {1, 1, static_cast<float>(node.window.stride_h), static_cast<float>(node.window.stride_w)});
  return {graph.add("Resize", as, {image.name, "", factors},
                    {{"mode", text_attribute("nearest")},
                     {"coordinate_transformation_mode", text_attribute("asymmetric")},
                     {"nearest_mode", text_attribute("floor")}}),
          node.output, false};
}

}  // namespace

Dims channel_dims(const Written& x) {
  if (x.flat) return {x.shape.channels};
  return {x.shape.channels, 1, 1};
}

Written write_function(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  switch (node.function) {
    case Function::sigmoid:
      return write_unary(graph, "Sigmoid", as, x);
    case Function::erf:
      return write_unary(graph, "Erf", as, x);
    case Function::clip:
      return write_clamp(graph, as, x, node.alpha, node.beta);
    case Function::leaky_relu:
      return {graph.add("LeakyRelu", as, {x.name}, {{"alpha", real_attribute(node.alpha)}}), x.shape, x.flat};
    case Function::hard_sigmoid:
      return {graph.add("HardSigmoid", as, {x.name},
                        {{"alpha", real_attribute(node.alpha)}, {"beta", real_attribute(node.beta)}}),
              x.shape, x.flat};
    case Function::hard_swish: {  // an operator of its own since opset 14
      const std::string gate =
          graph.add("HardSigmoid", graph.fresh_target(as.tensor + "/gate"), {x.name},
                    {{"alpha", real_attribute(1.0f / 6)}, {"beta", real_attribute(0.5f)}});
      return {graph.add("Mul", as, {x.name, gate}), x.shape, x.flat};
    }
    case Function::silu: {
      const std::string gate = graph.add("Sigmoid", graph.fresh_target(as.tensor + "/gate"), {x.name});
      return {graph.add("Mul", as, {x.name, gate}), x.shape, x.flat};
    }
  }
  throw base::InternalError("onnx: a function without an operator");
}

Written write_prelu(GraphWriter& graph, const Target& as, const Written& x, const std::string& slope) {
  return {graph.add("PRelu", as, {x.name, slope}), x.shape, x.flat};
}

Written write_scale(GraphWriter& graph, const Target& as, const Written& x, const std::string& factors,
                    const std::string& summands) {
  const std::string scaled = graph.add("Mul", graph.fresh_target(as.tensor + "/scaled"), {x.name, factors});
  return {graph.add("Add", as, {scaled, summands}), x.shape, x.flat};
}

Written write_multiply(GraphWriter& graph, const Target& as, const Written& a, const Written& b) {
  const bool flat = a.flat && b.flat;
  const std::string first = flat ? a.name : as_image(graph, a).name;
  const std::string second = flat ? b.name : as_image(graph, b).name;
  return {graph.add("Mul", as, {first, second}), a.shape, flat};
}

Written write_concat(GraphWriter& graph, const Target& as, const Written& a, const Written& b) {
  const bool flat = a.flat && b.flat;
  const std::string first = flat ? a.name : as_image(graph, a).name;
  const std::string second = flat ? b.name : as_image(graph, b).name;
  quant::Shape shape = a.shape;
  shape.channels += b.shape.channels;
  return {graph.add("Concat", as, {first, second}, {{"axis", integer_attribute(1)}}), shape, flat};
}

Written write_moved(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  switch (node.op) {
    case Op::shuffle:
      return write_shuffle(graph, node, as, x);
    case Op::pad:
      return write_pad(graph, node, as, x);
    case Op::resize:
      return write_resize(graph, node, as, x);
    default: {
      const auto list = [&](const char* what, std::int64_t value) {
        return graph.constant(as.tensor + what, std::vector<std::int64_t>{value});
      };
      const std::string begin = list("/begin", node.begin),
                        end = list("/end", node.begin + node.output.channels);
      return {graph.add("Slice", as, {x.name, begin, end, list("/axis", 1)}), node.output, x.flat};
    }
  }
}

}  // namespace bitsmith::trainer::onnx
