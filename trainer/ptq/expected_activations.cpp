#include "trainer/ptq/expected_activations.hpp"

#include <cmath>
#include <limits>

#include "trainer/ptq/clipped_normal.hpp"

namespace bitsmith::trainer::ptq {
namespace {

using quant::Op;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ChannelMoments clipped(const ChannelMoments& x, double high) {
  ChannelMoments y;
  if (x.deviation.empty()) return y;
  for (std::size_t c = 0; c < x.mean.size(); ++c)
    y.mean.push_back(clipped_normal_mean(x.mean[c], x.deviation[c], 0, high));
  return y;
}

ChannelMoments sum(const ChannelMoments& a, const ChannelMoments& b) {
  ChannelMoments y;
  if (!a.known() || !b.known()) return y;
  for (std::size_t c = 0; c < a.mean.size(); ++c) y.mean.push_back(a.mean[c] + b.mean[c]);
  return y;
}

ChannelMoments of_batch_norm(const Network& network, const quant::Node& node) {
  ChannelMoments y;
  const auto& gamma = network.find_parameter(node.name + ".weight")->value;
  const auto& beta = network.find_parameter(node.name + ".bias")->value;
  const auto& variance = network.find_buffer(node.name + ".running_var")->value;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const auto v = static_cast<double>(variance[c]);
    y.mean.push_back(static_cast<double>(beta[c]));
    y.deviation.push_back(std::abs(static_cast<double>(gamma[c])) *
                          std::sqrt(v / (v + static_cast<double>(node.epsilon))));
  }
  return y;
}

}  // namespace

std::vector<ChannelMoments> expected_activations(const Network& network,
                                                 const std::vector<ChannelMoments>& layer_outputs) {
  const quant::NetworkInfo& info = network.info();
  std::vector<ChannelMoments> moments(info.nodes.size());
  for (std::size_t l = 0; l < info.layers.size(); ++l)
    moments[static_cast<std::size_t>(info.layers[l].node)] = layer_outputs[l];
  for (std::size_t i = 1; i < info.nodes.size(); ++i) {
    const quant::Node& node = info.nodes[i];
    const auto from = static_cast<std::size_t>(node.inputs[0]);
    const ChannelMoments& x = moments[from];
    switch (node.op) {
      case Op::batch_norm:
        moments[i] = of_batch_norm(network, node);
        break;
      case Op::relu:
        moments[i] = clipped(x, kInfinity);
        break;
      case Op::relu6:
        moments[i] = clipped(x, 6);
        break;
      case Op::average_pool:
      case Op::global_average_pool:
      case Op::quantize:
        moments[i].mean = x.mean;
        break;
      case Op::flatten:
        for (double mean : x.mean)
          moments[i].mean.insert(moments[i].mean.end(),
                                 static_cast<std::size_t>(info.nodes[from].output.height) *
                                     static_cast<std::size_t>(info.nodes[from].output.width),
                                 mean);
        break;
      case Op::add:
        moments[i] = sum(x, moments[static_cast<std::size_t>(node.inputs[1])]);
        break;
      case Op::input:
      case Op::conv:
      case Op::linear:
      case Op::max_pool:
      case Op::layer_norm:
      case Op::gelu:
      case Op::softmax:
      case Op::matmul:
      case Op::position:
      case Op::function:
      case Op::prelu:
      case Op::multiply:
      case Op::concat:
      case Op::pad:
      case Op::scale:
      case Op::slice:
      case Op::shuffle:
      case Op::resize:
        break;
    }
  }
  return moments;
}

}  // namespace bitsmith::trainer::ptq
