#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/network_info.hpp"

namespace bitsmith::quant {
namespace {

std::string show(const Shape& shape) {
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

/// Before anything multiplies in fewer bits, or is allocated.
void check_size(const std::string& name, const char* what, std::initializer_list<std::int64_t> extents) {
  std::int64_t elements = 1;
  for (std::int64_t extent : extents) {
    elements *= std::max<std::int64_t>(extent, 1);
    if (elements > NetworkBuilder::kMostElements)
      throw base::UserError(
          fmt::format("{}: more than {} {}: too large", name, NetworkBuilder::kMostElements, what));
  }
}

void check_size(const std::string& name, const Shape& shape) {
  check_size(name, "values in its output", {shape.channels, shape.height, shape.width});
}

Shape windowed(const std::string& name, const Shape& input, int channels, const Window& window) {
  const bool sane = window.kernel_h > 0 && window.kernel_w > 0 && window.stride_h > 0 &&
                    window.stride_w > 0 && window.dilation_h > 0 && window.dilation_w > 0 &&
                    window.pad_top >= 0 && window.pad_left >= 0 && window.pad_bottom >= 0 &&
                    window.pad_right >= 0;
  if (!sane)
    throw base::UserError(
        fmt::format("{}: kernel, stride and dilation must be at least 1, padding at least 0", name));
  for (int value : {window.kernel_h, window.kernel_w, window.stride_h, window.stride_w, window.dilation_h,
                    window.dilation_w, window.pad_top, window.pad_left, window.pad_bottom, window.pad_right})
    if (value > NetworkBuilder::kLargestWindow)
      throw base::UserError(fmt::format("{}: kernel, stride, dilation and padding are at most {}, got {}",
                                        name, NetworkBuilder::kLargestWindow, value));
  const int reach_h = window.dilation_h * (window.kernel_h - 1) + 1;
  const int reach_w = window.dilation_w * (window.kernel_w - 1) + 1;
  if (input.height + window.pad_top + window.pad_bottom < reach_h ||
      input.width + window.pad_left + window.pad_right < reach_w)
    throw base::UserError(fmt::format("{}: a {}x{} window does not fit into its input of {}", name, reach_h,
                                      reach_w, show(input)));
  return {channels, window.output_height(input.height), window.output_width(input.width)};
}

LayerInfo describe_layer(const NetworkInfo& network, int index) {
  const Node& node = network.nodes[static_cast<std::size_t>(index)];
  const Node& from = network.nodes[static_cast<std::size_t>(node.inputs[0])];
  LayerInfo layer;
  layer.name = node.name;
  layer.node = index;
  layer.input = from.output;
  layer.output = node.output;
  layer.window = node.window;
  layer.groups = node.groups;
  layer.bias = node.bias;
  layer.input_signed = from.output_signed;
  layer.kind = node.op == Op::linear                                    ? LayerKind::linear
               : node.groups > 1 && node.groups == from.output.channels ? LayerKind::depthwise
                                                                        : LayerKind::conv;
  return layer;
}

}  // namespace

NetworkBuilder::NetworkBuilder(std::string network_name, Shape input) {
  info_.name = std::move(network_name);
  if (input.channels < 1 || input.height < 1 || input.width < 1)
    throw base::UserError(fmt::format("{}: input of {} is empty", info_.name, show(input)));
  check_size(info_.name, "values in its input", {input.channels, input.height, input.width});
  Node node;
  node.name = "input";
  node.output = input;
  info_.nodes.push_back(std::move(node));
}

int NetworkBuilder::push(Node node) {
  check_size(node.name, node.output);
  for (const Node& other : info_.nodes)
    if (other.name == node.name) throw base::UserError(fmt::format("two nodes are named '{}'", node.name));
  info_.nodes.push_back(std::move(node));
  return static_cast<int>(info_.nodes.size()) - 1;
}

int NetworkBuilder::conv(const std::string& name, int from, int out_channels, Window window, int groups,
                         bool bias) {
  const Shape in = shape(from);
  if (groups < 1 || out_channels < 1 || in.channels % groups != 0 || out_channels % groups != 0)
    throw base::UserError(fmt::format("{}: {} groups must divide {} input and {} output channels", name,
                                      groups, in.channels, out_channels));
  check_size(name, "weights", {out_channels, in.channels / groups, window.kernel_h, window.kernel_w});
  Node node;
  node.name = name;
  node.op = Op::conv;
  node.inputs = {from};
  node.window = window;
  node.groups = groups;
  node.bias = bias;
  node.output = windowed(name, in, out_channels, window);
  return push(std::move(node));
}

int NetworkBuilder::linear(const std::string& name, int from, int out_features, bool bias) {
  if (out_features < 1) throw base::UserError(fmt::format("{}: needs at least one output", name));
  check_size(name, "weights", {out_features, shape(from).elements()});
  Node node;
  node.name = name;
  node.op = Op::linear;
  node.inputs = {from};
  node.bias = bias;
  node.output = {out_features, 1, 1};
  return push(std::move(node));
}

int NetworkBuilder::batch_norm(const std::string& name, int from, float epsilon) {
  Node node;
  node.name = name;
  node.op = Op::batch_norm;
  node.inputs = {from};
  node.epsilon = epsilon;
  node.output = shape(from);
  return push(std::move(node));
}

int NetworkBuilder::relu(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::relu;
  node.inputs = {from};
  node.output = shape(from);
  node.output_signed = false;
  return push(std::move(node));
}

int NetworkBuilder::relu6(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::relu6;
  node.inputs = {from};
  node.output = shape(from);
  node.output_signed = false;
  return push(std::move(node));
}

int NetworkBuilder::max_pool(const std::string& name, int from, Window window) {
  Node node;
  node.name = name;
  node.op = Op::max_pool;
  node.inputs = {from};
  node.window = window;
  node.output = windowed(name, shape(from), shape(from).channels, window);
  node.output_signed = info_.nodes[static_cast<std::size_t>(from)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::average_pool(const std::string& name, int from, Window window, bool counts_padding) {
  Node node;
  node.counts_padding = counts_padding;
  node.name = name;
  node.op = Op::average_pool;
  node.inputs = {from};
  node.window = window;
  node.output = windowed(name, shape(from), shape(from).channels, window);
  node.output_signed = info_.nodes[static_cast<std::size_t>(from)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::global_average_pool(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::global_average_pool;
  node.inputs = {from};
  node.output = {shape(from).channels, 1, 1};
  node.output_signed = info_.nodes[static_cast<std::size_t>(from)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::add(const std::string& name, int a, int b) {
  if (shape(a) != shape(b))
    throw base::UserError(fmt::format("{}: cannot add {} and {}", name, show(shape(a)), show(shape(b))));
  Node node;
  node.name = name;
  node.op = Op::add;
  node.inputs = {a, b};
  node.output = shape(a);
  node.output_signed = info_.nodes[static_cast<std::size_t>(a)].output_signed ||
                       info_.nodes[static_cast<std::size_t>(b)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::flatten(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::flatten;
  node.inputs = {from};
  node.output = {static_cast<int>(shape(from).elements()), 1, 1};
  node.output_signed = info_.nodes[static_cast<std::size_t>(from)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::quantize(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::quantize;
  node.inputs = {from};
  node.output = shape(from);
  node.output_signed = info_.nodes[static_cast<std::size_t>(from)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::layer_norm(const std::string& name, int from, float epsilon) {
  Node node;
  node.name = name;
  node.op = Op::layer_norm;
  node.inputs = {from};
  node.epsilon = epsilon;
  node.output = shape(from);
  return push(std::move(node));
}

int NetworkBuilder::gelu(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::gelu;
  node.inputs = {from};
  node.output = shape(from);
  return push(std::move(node));
}

int NetworkBuilder::softmax(const std::string& name, int from, int groups) {
  if (groups < 1 || shape(from).channels % groups != 0)
    throw base::UserError(
        fmt::format("{}: {} groups must divide {} channels", name, groups, shape(from).channels));
  Node node;
  node.name = name;
  node.op = Op::softmax;
  node.inputs = {from};
  node.groups = groups;
  node.output = shape(from);
  node.output_signed = false;
  return push(std::move(node));
}

int NetworkBuilder::matmul(const std::string& name, int a, int b, int heads, bool transpose, float factor) {
  const Shape left = shape(a), right = shape(b);
  if (heads < 1 || left.channels % heads != 0 || right.channels % heads != 0)
    throw base::UserError(fmt::format("{}: {} heads must divide {} and {} channels", name, heads,
                                      left.channels, right.channels));
  const std::int64_t columns = left.channels / heads;
  const std::int64_t rows = transpose ? right.channels / heads : right.pixels();
  if (columns != rows)
    throw base::UserError(fmt::format(
        "{}: a head of {} has {} columns, that of {} {} rows{}", name, show(left), columns, show(right), rows,
        transpose ? " (its channels)" : " (its pixels); with transpose: true these are its channels"));
  if (columns > kMostInner)
    throw base::UserError(
        fmt::format("{}: sums of {} products; at most {} are allowed", name, columns, kMostInner));
  check_size(name, "values in its output", {heads, right.pixels(), left.pixels()});
  Node node;
  node.name = name;
  node.op = Op::matmul;
  node.inputs = {a, b};
  node.groups = heads;
  node.transpose = transpose;
  node.factor = factor;
  node.output = {transpose ? static_cast<int>(heads * right.pixels()) : right.channels, left.height,
                 left.width};
  node.output_signed = factor < 0 || info_.nodes[static_cast<std::size_t>(a)].output_signed ||
                       info_.nodes[static_cast<std::size_t>(b)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::position(const std::string& name, int from) {
  Node node;
  node.name = name;
  node.op = Op::position;
  node.inputs = {from};
  node.output = shape(from);
  return push(std::move(node));
}

Node NetworkBuilder::like(const std::string& name, Op op, int from) const {
  Node node;
  node.name = name;
  node.op = op;
  node.inputs = {from};
  node.output = shape(from);
  node.output_signed = info_.nodes[static_cast<std::size_t>(from)].output_signed;
  return node;
}

int NetworkBuilder::function(const std::string& name, int from, Function function, float alpha, float beta) {
  if (function == Function::clip && !(alpha <= beta))
    throw base::UserError(fmt::format("{}: clips to {} to {}, which is empty", name, alpha, beta));
  if (std::isnan(alpha) || std::isnan(beta))
    throw base::UserError(fmt::format("{}: a parameter is not a number", name));
  Node node = like(name, Op::function, from);
  node.function = function;
  node.alpha = alpha;
  node.beta = beta;
  node.output_signed = gives_negatives(function, alpha, node.output_signed);
  return push(std::move(node));
}

void NetworkBuilder::change_function(int index, Function function) {
  Node& changed = info_.nodes[static_cast<std::size_t>(index)];
  changed.function = function;
  changed.output_signed =
      gives_negatives(function, 0, info_.nodes[static_cast<std::size_t>(changed.inputs[0])].output_signed);
}

int NetworkBuilder::prelu(const std::string& name, int from) {
  Node node = like(name, Op::prelu, from);
  node.output_signed = true;
  return push(std::move(node));
}

int NetworkBuilder::scale(const std::string& name, int from) {
  Node node = like(name, Op::scale, from);
  node.output_signed = true;
  return push(std::move(node));
}

int NetworkBuilder::multiply(const std::string& name, int a, int b) {
  const Shape left = shape(a), right = shape(b);
  if (left != right && right != Shape{left.channels, 1, 1})
    throw base::UserError(fmt::format("{}: cannot multiply {} by {}", name, show(left), show(right)));
  Node node = like(name, Op::multiply, a);
  node.inputs = {a, b};
  node.output_signed = node.output_signed || info_.nodes[static_cast<std::size_t>(b)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::concat(const std::string& name, int a, int b) {
  const Shape left = shape(a), right = shape(b);
  if (left.height != right.height || left.width != right.width)
    throw base::UserError(fmt::format("{}: cannot join {} and {}", name, show(left), show(right)));
  check_size(name, "values in its output",
             {std::int64_t{left.channels} + right.channels, left.height, left.width});
  Node node = like(name, Op::concat, a);
  node.inputs = {a, b};
  node.output.channels += right.channels;
  node.output_signed = node.output_signed || info_.nodes[static_cast<std::size_t>(b)].output_signed;
  return push(std::move(node));
}

int NetworkBuilder::slice(const std::string& name, int from, int begin, int channels) {
  const int all = shape(from).channels;
  if (begin < 0 || channels < 1 || begin > all - channels)
    throw base::UserError(
        fmt::format("{}: {} channels from {} on are not among {}", name, channels, begin, all));
  Node node = like(name, Op::slice, from);
  node.begin = begin;
  node.output.channels = channels;
  return push(std::move(node));
}

int NetworkBuilder::shuffle(const std::string& name, int from, int groups) {
  if (groups < 1 || shape(from).channels % groups != 0)
    throw base::UserError(
        fmt::format("{}: {} groups must divide {} channels", name, groups, shape(from).channels));
  Node node = like(name, Op::shuffle, from);
  node.groups = groups;
  return push(std::move(node));
}

int NetworkBuilder::pad(const std::string& name, int from, int top, int left, int bottom, int right,
                        float value) {
  if (!std::isfinite(value))
    throw base::UserError(fmt::format("{}: pads with a value that is not finite", name));
  Node node = like(name, Op::pad, from);
  node.window.pad_top = top;
  node.window.pad_left = left;
  node.window.pad_bottom = bottom;
  node.window.pad_right = right;
  node.factor = value;
  node.output = windowed(name, node.output, node.output.channels, node.window);
  node.output_signed = node.output_signed || value < 0;
  return push(std::move(node));
}

int NetworkBuilder::resize(const std::string& name, int from, int factor_h, int factor_w) {
  Node node = like(name, Op::resize, from);
  node.window.stride_h = factor_h;
  node.window.stride_w = factor_w;
  if (factor_h < 1 || factor_w < 1 || factor_h > kLargestWindow || factor_w > kLargestWindow)
    throw base::UserError(
        fmt::format("{}: factors are 1 to {}, got {} and {}", name, kLargestWindow, factor_h, factor_w));
  check_size(name, "values in its output",
             {node.output.channels, std::int64_t{node.output.height} * factor_h,
              std::int64_t{node.output.width} * factor_w});
  node.output.height *= factor_h;
  node.output.width *= factor_w;
  return push(std::move(node));
}

NetworkInfo NetworkBuilder::build() && {
  for (std::size_t i = 0; i < info_.nodes.size(); ++i)
    if (info_.nodes[i].op == Op::conv || info_.nodes[i].op == Op::linear)
      info_.layers.push_back(describe_layer(info_, static_cast<int>(i)));
  return std::move(info_);
}

}  // namespace bitsmith::quant
