#include "experiments/pipeline/chosen_policy.hpp"

namespace bitsmith::experiments {

quant::Policy chosen_policy(const quant::NetworkInfo& network, const std::string& file,
                            quant::LayerFormats formats, const quant::QuantizationOptions& options) {
  if (!file.empty()) return quant::policy_from_yaml(network, file);
  quant::Policy policy = quant::uniform_policy(network, formats);
  const auto pin = [](quant::LayerFormats& layer, int bits) {
    if (bits > 0) layer = {bits, bits};
  };
  pin(policy.layers.front(), options.first_layer_bits);
  pin(policy.layers.back(), options.last_layer_bits);
  return policy;
}

}  // namespace bitsmith::experiments
