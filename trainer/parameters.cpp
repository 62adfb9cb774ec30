#include "trainer/parameters.hpp"

#include <cmath>

#include "quant/base/random.hpp"

namespace bitsmith::trainer {
namespace {

using quant::Node;
using quant::Op;

constexpr double kPositionDeviation = 0.02;  // Dosovitskiy et al. 2021
constexpr float kPreluSlope = 0.25f;         // He et al. 2015

Parameter sized(std::string name, std::vector<int> shape, bool decays) {
  std::size_t count = 1;
  for (int extent : shape) count *= static_cast<std::size_t>(extent);
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.shape = std::move(shape);
  parameter.value.resize(count);
  parameter.gradient.resize(count);
  parameter.decays = decays;
  return parameter;
}

void draw_uniform(Parameter& parameter, double bound, std::uint64_t seed) {
  base::Rng rng(base::derive_seed(seed, parameter.name));
  for (float& value : parameter.value) value = static_cast<float>(rng.uniform(-bound, bound));
}

void draw_normal(Parameter& parameter, double deviation, std::uint64_t seed) {
  base::Rng rng(base::derive_seed(seed, parameter.name));
  for (float& value : parameter.value) value = static_cast<float>(deviation * rng.normal());
}

}  // namespace

std::vector<Parameter> make_parameters(const quant::NetworkInfo& info, std::uint64_t seed) {
  std::vector<Parameter> parameters;
  for (const Node& node : info.nodes) {
    if (node.op == Op::position) {
      const quant::Shape& shape = node.output;
      parameters.push_back(sized(node.name + ".weight", {shape.height, shape.width, shape.channels}, false));
      draw_normal(parameters.back(), kPositionDeviation, seed);
      continue;
    }
    if (node.op == Op::prelu) {
      parameters.push_back(sized(node.name + ".weight", {node.output.channels}, false));
      parameters.back().value.assign(parameters.back().value.size(), kPreluSlope);
      continue;
    }
    const bool is_norm = node.op == Op::batch_norm || node.op == Op::layer_norm || node.op == Op::scale;
    if (node.op != Op::conv && node.op != Op::linear && !is_norm) continue;
    const quant::Shape& input = info.nodes[static_cast<std::size_t>(node.inputs[0])].output;
    const int outputs = node.output.channels;
    if (is_norm) {
      parameters.push_back(sized(node.name + ".weight", {outputs}, false));
      parameters.back().value.assign(parameters.back().value.size(), 1.0f);
      parameters.push_back(sized(node.name + ".bias", {outputs}, false));
      continue;
    }
    const int receptive = node.window.kernel_h * node.window.kernel_w;
    const int inputs =
        node.op == Op::conv ? input.channels / node.groups : static_cast<int>(input.elements());
    const double fan_in = node.op == Op::conv ? double{1} * inputs * receptive : double{1} * inputs;
    if (node.op == Op::conv) {
      parameters.push_back(
          sized(node.name + ".weight", {outputs, inputs, node.window.kernel_h, node.window.kernel_w}, true));
      const double fan_out = double{1} * (outputs / node.groups) * receptive;
      draw_normal(parameters.back(), std::sqrt(2.0 / fan_out), seed);
    } else {
      parameters.push_back(sized(node.name + ".weight", {outputs, inputs}, true));
      draw_uniform(parameters.back(), 1.0 / std::sqrt(fan_in), seed);
    }
    if (node.bias) {
      parameters.push_back(sized(node.name + ".bias", {outputs}, false));
      draw_uniform(parameters.back(), 1.0 / std::sqrt(fan_in), seed);
    }
  }
  return parameters;
}

std::vector<Buffer> make_buffers(const quant::NetworkInfo& info) {
  std::vector<Buffer> buffers;
  for (const Node& node : info.nodes) {
    if (node.op == Op::quantize) buffers.push_back({node.name + ".scale", {0.0f}});
    if (node.op != Op::batch_norm) continue;
    const auto channels = static_cast<std::size_t>(node.output.channels);
    buffers.push_back({node.name + ".running_mean", std::vector<float>(channels, 0.0f)});
    buffers.push_back({node.name + ".running_var", std::vector<float>(channels, 1.0f)});
  }
  return buffers;
}

}  // namespace bitsmith::trainer
