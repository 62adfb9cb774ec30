#include "quant/network_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::quant {
std::string_view op_name(Op op) {
  switch (op) {
    case Op::input:
      return "input";
    case Op::conv:
      return "conv";
    case Op::linear:
      return "linear";
    case Op::batch_norm:
      return "batch_norm";
    case Op::relu:
      return "relu";
    case Op::relu6:
      return "relu6";
    case Op::max_pool:
      return "max_pool";
    case Op::average_pool:
      return "average_pool";
    case Op::global_average_pool:
      return "global_average_pool";
    case Op::add:
      return "add";
    case Op::flatten:
      return "flatten";
    case Op::quantize:
      return "quantize";
    case Op::layer_norm:
      return "layer_norm";
    case Op::gelu:
      return "gelu";
    case Op::softmax:
      return "softmax";
    case Op::matmul:
      return "matmul";
    case Op::position:
      return "position";
    case Op::function:
      return "function";
    case Op::prelu:
      return "prelu";
    case Op::scale:
      return "scale";
    case Op::multiply:
      return "multiply";
    case Op::concat:
      return "concat";
    case Op::slice:
      return "slice";
    case Op::shuffle:
      return "shuffle";
    case Op::pad:
      return "pad";
    case Op::resize:
      return "resize";
  }
  return "?";
}

bool has_two_inputs(Op op) {
  return op == Op::add || op == Op::matmul || op == Op::multiply || op == Op::concat;
}

std::string_view layer_kind_name(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv:
      return "conv";
    case LayerKind::depthwise:
      return "depthwise";
    case LayerKind::linear:
      return "linear";
  }
  return "?";
}

std::int64_t LayerInfo::weights() const {
  if (kind == LayerKind::linear) return input.elements() * output.channels;
  return std::int64_t{output.channels} * (input.channels / groups) * window.kernel_h * window.kernel_w;
}

std::int64_t LayerInfo::macs() const { return weights() * output.height * output.width; }

std::vector<std::vector<int>> NetworkInfo::consumers() const {
  std::vector<std::vector<int>> readers(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (int from : nodes[i].inputs) readers[static_cast<std::size_t>(from)].push_back(static_cast<int>(i));
  return readers;
}

std::vector<int> NetworkInfo::quantize_nodes() const {
  std::vector<int> found;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].op == Op::quantize) found.push_back(static_cast<int>(i));
  return found;
}

int NetworkInfo::find_layer(std::string_view wanted) const {
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (layers[i].name == wanted) return static_cast<int>(i);
  return -1;
}

std::uint64_t NetworkInfo::hash() const {
  base::Hasher hasher;
  for (const Node& node : nodes) {
    hasher.add(node.name);
    hasher.add(op_name(node.op));
    for (int from : node.inputs) hasher.add(from);
    const Window& w = node.window;
    for (int value : {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w, w.pad_top,
                      w.pad_left, w.pad_bottom, w.pad_right, node.groups, int{node.bias},
                      node.output.channels, node.output.height, node.output.width})
      hasher.add(value);
    hasher.add(static_cast<double>(node.epsilon));
    if (node.op == Op::matmul) hasher.add(int{node.transpose});
    if (node.op == Op::matmul || node.op == Op::pad) hasher.add(static_cast<double>(node.factor));
    if (node.counts_padding) hasher.add("counts padding");
    if (node.op == Op::slice) hasher.add(node.begin);
    if (node.op != Op::function) continue;
    hasher.add(function_name(node.function));
    hasher.add(static_cast<double>(node.alpha));
    hasher.add(static_cast<double>(node.beta));
  }
  for (const auto& group : shared_parameters) {
    hasher.add("one parameter");
    for (const std::string& parameter : group) hasher.add(parameter);
  }
  return hasher.value();
}

}  // namespace bitsmith::quant
