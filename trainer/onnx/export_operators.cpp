#include "trainer/onnx/export_operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using quant::Op;
using quant::Window;

constexpr std::int64_t kOpset = 13, kLayerNormOpset = 17, kDilatedAverageOpset = 19;

Attributes window_attributes(const Window& w) {
  return {{"kernel_shape", integers_attribute({w.kernel_h, w.kernel_w})},
          {"strides", integers_attribute({w.stride_h, w.stride_w})},
          {"pads", integers_attribute({w.pad_top, w.pad_left, w.pad_bottom, w.pad_right})}};
}

bool is_dilated(const Window& w) { return w.dilation_h != 1 || w.dilation_w != 1; }

Attribute dilations(const Window& w) { return integers_attribute({w.dilation_h, w.dilation_w}); }

/// A channel's pixels, as the last two axes of a matrix product have them.
std::vector<std::int64_t> heads_of(const Written& x, int heads) {
  return {0, heads, x.shape.channels / heads, x.shape.pixels()};
}

std::string reshaped(GraphWriter& graph, const std::string& wanted, const std::string& x,
                     std::vector<std::int64_t> dims) {
  const Target as = graph.fresh_target(wanted);
  return graph.add("Reshape", as, {x, graph.constant(wanted + "/shape", std::move(dims))});
}

std::vector<std::int64_t> with_batch(const Written& x) {
  std::vector<std::int64_t> dims{0};  // as the input has it
  for (const std::int64_t extent : x.dims()) dims.push_back(extent);
  return dims;
}

}  // namespace

Written as_image(GraphWriter& graph, const Written& x) {
  if (!x.flat) return x;
  const Written image{{}, x.shape, false};
  return {reshaped(graph, x.name + "/image", x.name, with_batch(image)), x.shape, false};
}

Written as_flat(GraphWriter& graph, const Written& x) {
  if (x.flat) return x;
  return write_flatten(graph, graph.fresh_target(x.name + "/flat"), x);
}

Written write_layer(GraphWriter& graph, const quant::LayerInfo& layer, const Target& as, const Written& x,
                    const std::string& weight, const std::string& bias) {
  const bool linear = layer.kind == quant::LayerKind::linear;
  if (linear && x.shape.channels > 1 && x.shape.pixels() > 1)
    throw base::UserError(
        fmt::format("{}: a linear layer reads features; put a flatten before it", layer.name));
  std::vector<std::string> inputs{(linear ? as_flat(graph, x) : as_image(graph, x)).name, weight};
  if (!bias.empty()) inputs.push_back(bias);
  if (linear)
    return {graph.add("Gemm", as, std::move(inputs), {{"transB", integer_attribute(1)}}), layer.output, true};
  Attributes attributes = window_attributes(layer.window);
  attributes["dilations"] = dilations(layer.window);
  attributes["group"] = integer_attribute(layer.groups);
  return {graph.add("Conv", as, std::move(inputs), std::move(attributes)), layer.output, false};
}

Written write_unary(GraphWriter& graph, const char* op, const Target& as, const Written& x) {
  return {graph.add(op, as, {x.name}), x.shape, x.flat};
}

Written write_clamp(GraphWriter& graph, const Target& as, const Written& x, float low, float high) {
  if (low == 0 && std::isinf(high)) return write_unary(graph, "Relu", as, x);
  if (std::isinf(low) && std::isinf(high)) return x;
  std::vector<std::string> inputs{x.name, std::isinf(low) ? "" : graph.constant(as.tensor + "/low", low)};
  if (!std::isinf(high)) inputs.push_back(graph.constant(as.tensor + "/high", high));
  return {graph.add("Clip", as, std::move(inputs)), x.shape, x.flat};
}

Written write_add(GraphWriter& graph, const Target& as, const Written& a, const Written& b) {
  const bool flat = a.flat && b.flat;
  const std::string first = flat ? a.name : as_image(graph, a).name;
  const std::string second = flat ? b.name : as_image(graph, b).name;
  return {graph.add("Add", as, {first, second}), a.shape, flat};
}

Written write_pool(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& x) {
  const Written image = as_image(graph, x);
  if (node.op == Op::global_average_pool)
    return {graph.add("GlobalAveragePool", as, {image.name}), node.output, false};
  const Window& w = node.window;
  const int reach_h = w.dilation_h * (w.kernel_h - 1) + 1, reach_w = w.dilation_w * (w.kernel_w - 1) + 1;
  if (std::max(w.pad_top, w.pad_bottom) >= reach_h || std::max(w.pad_left, w.pad_right) >= reach_w)
    throw base::UserError(
        fmt::format("{}: its padding is not smaller than its {} x {} window: ONNX has no value for windows "
                    "of padding alone",
                    node.name, reach_h, reach_w));
  Attributes attributes = window_attributes(w);
  if (is_dilated(w)) attributes["dilations"] = dilations(w);
  if (node.op == Op::average_pool)
    attributes["count_include_pad"] = integer_attribute(node.counts_padding ? 1 : 0);
  const char* op = node.op == Op::max_pool ? "MaxPool" : "AveragePool";
  return {graph.add(op, as, {image.name}, std::move(attributes)), node.output, false};
}

Written write_flatten(GraphWriter& graph, const Target& as, const Written& x) {
  const quant::Shape flat{static_cast<int>(x.shape.elements()), 1, 1};
  return {graph.add("Flatten", as, {x.name}, {{"axis", integer_attribute(1)}}), flat, true};
}

Written write_layer_norm(GraphWriter& graph, const Target& as, const Written& x, const std::string& gamma,
                         const std::string& beta, float epsilon) {
  const Attributes attributes{{"axis", integer_attribute(-1)}, {"epsilon", real_attribute(epsilon)}};
  if (x.flat) return {graph.add("LayerNormalization", as, {x.name, gamma, beta}, attributes), x.shape, true};
  const std::string last = graph.add("Transpose", graph.fresh_target(as.tensor + "/channels_last"), {x.name},
                                     {{"perm", integers_attribute({0, 2, 3, 1})}});
  const std::string normed = graph.add("LayerNormalization", {as.node, graph.fresh(as.tensor + "/normed")},
                                       {last, gamma, beta}, attributes);
  return {graph.add("Transpose", {graph.fresh(as.node + "/channels_first"), as.tensor}, {normed},
                    {{"perm", integers_attribute({0, 3, 1, 2})}}),
          x.shape, false};
}

Written write_gelu(GraphWriter& graph, const Target& as, const Written& x) {
  const auto part = [&](const char* what) { return graph.fresh_target(as.tensor + "/" + what); };
  const std::string root = graph.constant(as.tensor + "/root_of_2", static_cast<float>(std::sqrt(2.0)));
  const std::string scaled = graph.add("Div", part("scaled"), {x.name, root});
  const std::string erf = graph.add("Erf", part("erf"), {scaled});
  const std::string twice =
      graph.add("Add", part("twice_phi"), {erf, graph.constant(as.tensor + "/one", 1.0f)});
  const std::string both = graph.add("Mul", part("twice"), {x.name, twice});
  return {graph.add("Mul", as, {both, graph.constant(as.tensor + "/half", 0.5f)}), x.shape, x.flat};
}

Written write_softmax(GraphWriter& graph, const Target& as, const Written& x, int groups) {
  if (groups == 1)
    return {graph.add("Softmax", as, {x.name}, {{"axis", integer_attribute(1)}}), x.shape, x.flat};
  std::vector<std::int64_t> split{0, groups, x.shape.channels / groups};
  if (!x.flat) split.insert(split.end(), {x.shape.height, x.shape.width});
  const std::string runs = reshaped(graph, as.tensor + "/groups", x.name, std::move(split));
  const std::string shares = graph.add("Softmax", {as.node, graph.fresh(as.tensor + "/shares")}, {runs},
                                       {{"axis", integer_attribute(2)}});
  const std::string dims = graph.constant(as.tensor + "/shape", with_batch(x));
  return {graph.add("Reshape", {graph.fresh(as.node + "/whole"), as.tensor}, {shares, dims}), x.shape,
          x.flat};
}

// In N, heads, channels, pixels the product's transpose is computed: R' = B' A', where A' is what memory has.
Written write_matmul(GraphWriter& graph, const quant::Node& node, const Target& as, const Written& a,
                     const Written& b) {
  const std::string left = reshaped(graph, as.tensor + "/a", a.name, heads_of(a, node.groups));
  std::string right = reshaped(graph, as.tensor + "/b", b.name, heads_of(b, node.groups));
  if (node.transpose)
    right = graph.add("Transpose", graph.fresh_target(as.tensor + "/b_pixels_first"), {right},
                      {{"perm", integers_attribute({0, 1, 3, 2})}});
  std::string product = graph.add("MatMul", {as.node, graph.fresh(as.tensor + "/product")}, {right, left});
  if (node.factor != 1)
    product = graph.add("Mul", graph.fresh_target(as.tensor + "/scaled"),
                        {product, graph.constant(as.tensor + "/factor", node.factor)});
  const Written result{as.tensor, node.output, false};
  const std::string dims = graph.constant(as.tensor + "/shape", with_batch(result));
  graph.add("Reshape", {graph.fresh(as.node + "/image"), as.tensor}, {product, dims});
  return result;
}

Written write_position(GraphWriter& graph, const Target& as, const Written& x, const std::string& weight,
                       const std::vector<float>& values) {
  const Written image = as_image(graph, x);
  const auto channels = static_cast<std::size_t>(x.shape.channels);
  const auto pixels = static_cast<std::size_t>(x.shape.pixels());
  base::require(values.size() == channels * pixels, "onnx: positions of another shape");
  std::vector<float> by_channel(values.size());
  for (std::size_t p = 0; p < pixels; ++p)
    for (std::size_t c = 0; c < channels; ++c) by_channel[c * pixels + p] = values[p * channels + c];
  graph.put(weight, image.dims(), by_channel);
  return {graph.add("Add", as, {image.name, weight}), x.shape, false};
}

std::int64_t least_opset(const quant::NetworkInfo& info) {
  std::int64_t opset = kOpset;
  for (const quant::Node& node : info.nodes) {
    if (node.op == Op::layer_norm) opset = std::max(opset, kLayerNormOpset);
    if (node.op == Op::average_pool && is_dilated(node.window)) opset = std::max(opset, kDilatedAverageOpset);
  }
  return opset;
}

}  // namespace bitsmith::trainer::onnx
