#include "trainer/ptq/fold_batch_norm.hpp"

#include <cmath>
#include <utility>

#include "trainer/ptq/redescribe.hpp"

namespace bitsmith::trainer::ptq {
namespace {

bool is_layer(const quant::Node& node) { return node.op == quant::Op::conv || node.op == quant::Op::linear; }

struct BatchNormNumbers {
  const std::vector<float>&gamma, &beta, &mean, &variance;
  double epsilon;

  BatchNormNumbers(const Network& network, const quant::Node& node)
      : gamma(network.find_parameter(node.name + ".weight")->value),
        beta(network.find_parameter(node.name + ".bias")->value),
        mean(network.find_buffer(node.name + ".running_mean")->value),
        variance(network.find_buffer(node.name + ".running_var")->value),
        epsilon(static_cast<double>(node.epsilon)) {}

  double scale(std::size_t c) const {
    return static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
  }
};

ChannelMoments fold_into(const BatchNormNumbers& norm, Parameter& weight, Parameter& bias) {
  ChannelMoments output;
  const std::size_t row = weight.value.size() / bias.value.size();
  for (std::size_t c = 0; c < bias.value.size(); ++c) {
    const double scale = norm.scale(c), variance = static_cast<double>(norm.variance[c]);
    for (std::size_t i = c * row; i < (c + 1) * row; ++i)
      weight.value[i] = static_cast<float>(static_cast<double>(weight.value[i]) * scale);
    bias.value[c] =
        static_cast<float>((static_cast<double>(bias.value[c]) - static_cast<double>(norm.mean[c])) * scale +
                           static_cast<double>(norm.beta[c]));
    output.mean.push_back(static_cast<double>(norm.beta[c]));
    output.deviation.push_back(std::abs(scale) * std::sqrt(variance));
  }
  return output;
}

}  // namespace

FoldedNetwork fold_batch_norms(const Network& network, bool fold) {
  const quant::NetworkInfo& info = network.info();
  const auto readers = info.consumers();
  quant::NetworkBuilder builder(info.name, info.nodes.front().output);
  std::vector<int> now(info.nodes.size(), builder.input());  // the node to read in place of each
  std::vector<int> norm_of(info.nodes.size(), -1);           // of a layer's node: the batch norm folded
  for (std::size_t i = 1; i < info.nodes.size(); ++i) {
    quant::Node node = info.nodes[i];
    const auto from = static_cast<std::size_t>(node.inputs[0]);
    if (fold && node.op == quant::Op::batch_norm && is_layer(info.nodes[from]) && readers[from].size() == 1) {
      norm_of[from] = static_cast<int>(i);
      now[i] = now[from];
      continue;
    }
    for (int& input : node.inputs) input = now[static_cast<std::size_t>(input)];
    if (is_layer(node)) node.bias = true;
    now[i] = builder.copy(std::move(node));
  }

  FoldedNetwork folded{redescribe(network, std::move(builder).build()), {}, 0};
  for (const quant::LayerInfo& layer : info.layers) {
    const int norm = norm_of[static_cast<std::size_t>(layer.node)];
    ChannelMoments output;
    if (norm >= 0) {
      output = fold_into({network, info.nodes[static_cast<std::size_t>(norm)]},
                         *folded.network.find_parameter(layer.name + ".weight"),
                         *folded.network.find_parameter(layer.name + ".bias"));
      ++folded.folded;
    }
    folded.outputs.push_back(std::move(output));
  }
  return folded;
}

}  // namespace bitsmith::trainer::ptq
