#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainer/onnx/model.hpp"

namespace bitsmith::trainer::test {

/// The model with Quant and BipolarQuant as QONNX defines them (docs/qonnx-custom-ops of its repository), in
/// ONNX's own operators: for runtimes that do not know them.
inline onnx::Model without_qonnx(onnx::Model model) {
  std::vector<onnx::Node> nodes;
  const auto add = [&](std::string op, std::vector<std::string> inputs, std::string output) -> std::string {
    onnx::Node node;
    node.op = std::move(op);
    node.inputs = std::move(inputs);
    node.outputs = {std::move(output)};
    nodes.push_back(std::move(node));
    return nodes.back().outputs[0];
  };
  const auto constant = [&](const std::string& name, float value) -> std::string {
    const float one[] = {value};
    model.graph.initializers[name] = onnx::Tensor::of({}, std::span<const float>(one));
    return name;
  };
  for (const onnx::Node& node : model.graph.nodes) {
    const std::string& y = node.outputs[0];
    if (node.op == "BipolarQuant") {
      const std::string is_negative = add("Less", {node.inputs[0], constant(y + "?0", 0)}, y + "?negative");
      const std::string sign =
          add("Where", {is_negative, constant(y + "?minus", -1), constant(y + "?plus", 1)}, y + "?sign");
      add("Mul", {sign, node.inputs[1]}, y);
    } else if (node.op == "Quant") {
      const float bits = model.graph.initializers.at(node.inputs[3]).as<float>()[0];
      const bool is_signed = node.integer("signed", 1) != 0, is_narrow = node.integer("narrow", 0) != 0;
      const auto levels = static_cast<float>(1 << static_cast<int>(bits));
      const float high = is_signed ? levels / 2 - 1 : is_narrow ? levels - 2 : levels - 1;
      const float low = !is_signed ? 0 : is_narrow ? -high : -levels / 2;
      const std::string steps = add("Div", {node.inputs[0], node.inputs[1]}, y + "?steps");
      const std::string moved = add("Add", {steps, node.inputs[2]}, y + "?moved");
      const std::string kept =
          add("Clip", {moved, constant(y + "?low", low), constant(y + "?high", high)}, y + "?kept");
      const std::string rounded = add("Round", {kept}, y + "?rounded");
      add("Mul", {add("Sub", {rounded, node.inputs[2]}, y + "?back"), node.inputs[1]}, y);
    } else {
      nodes.push_back(node);
    }
  }
  model.graph.nodes = std::move(nodes);
  model.other_domains.clear();
  return model;
}

}  // namespace bitsmith::trainer::test
