#include "hwmodels/size_model.hpp"

#include <vector>

#include "quant/base/error.hpp"
#include "quant/weight_encoding.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr double kBytesPerKib = 1024.0;
constexpr std::int64_t kParameterBytes = 4;  // one fp32 or int32 number

}  // namespace

double layer_bytes(const quant::LayerInfo& layer, quant::Format weights, quant::Granularity granularity,
                   bool has_batch_norm) {
  const std::int64_t channels = layer.output.channels;
  const std::int64_t biases = layer.bias || has_batch_norm ? channels : 0;
  std::int64_t multipliers = has_batch_norm ? channels : 0, weight_bytes = 0;
  if (weights.is_float() || weights.is_integer()) {
    weight_bytes = channels * ((layer.weights() / channels * weights.code() + 7) / 8);
    if (!weights.is_float() && !has_batch_norm)  // else the scale is part of batch norm's multiplier
      multipliers = granularity == quant::Granularity::channel ? channels : 1;
  } else {
    weight_bytes = quant::packed_weight_bytes(layer.weights(), channels, weights, granularity);
  }
  return static_cast<double>(weight_bytes + (multipliers + biases) * kParameterBytes);
}

std::span<const Metric> SizeModel::metrics() const {
  static const Metric metric[] = {{"size_kib", "KiB"}};
  return metric;
}

Cost SizeModel::price(const quant::NetworkInfo& network, const quant::Policy& policy) const {
  base::require(policy.layers.size() == network.layers.size(), "size model: policy of another network");
  std::vector<bool> normalised(network.nodes.size());
  std::vector<bool> is_layer(network.nodes.size());
  for (const quant::LayerInfo& layer : network.layers) is_layer[static_cast<std::size_t>(layer.node)] = true;
  double loose_bytes = 0;
  for (const quant::Node& node : network.nodes) {
    if (node.op != quant::Op::batch_norm) continue;
    const auto from = static_cast<std::size_t>(node.inputs[0]);
    if (is_layer[from])
      normalised[from] = true;
    else
      loose_bytes += static_cast<double>(2 * kParameterBytes * node.output.channels);
  }
  Cost cost;
  cost.totals = {loose_bytes / kBytesPerKib};
  cost.layers.reserve(network.layers.size());
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const quant::LayerInfo& layer = network.layers[i];
    const double kib = layer_bytes(layer, policy.layers[i].weight, granularity_,
                                   normalised[static_cast<std::size_t>(layer.node)]) /
                       kBytesPerKib;
    cost.layers.push_back({{kib}, {}});
    cost.totals[0] += kib;
  }
  return cost;
}

std::string SizeModel::fingerprint() const {
  return granularity_ == quant::Granularity::channel ? "size 1 channel" : "size 1 tensor";
}

}  // namespace bitsmith::hwmodels
