#include "hwmodels/bops_model.hpp"

#include "quant/base/error.hpp"

namespace bitsmith::hwmodels {

static_assert(quant::kFloatBits == 32, "fp32 counts as 32 bits");

std::span<const Metric> BopsModel::metrics() const {
  static const Metric metric[] = {{"gbops", "G"}};
  return metric;
}

Cost BopsModel::price(const quant::NetworkInfo& network, const quant::Policy& policy) const {
  base::require(policy.layers.size() == network.layers.size(), "bops model: policy of another network");
  Cost cost;
  cost.totals = {0.0};
  cost.layers.reserve(network.layers.size());
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const quant::LayerFormats formats = policy.layers[i];
    const double gbops = static_cast<double>(network.layers[i].macs()) * formats.weight.element_bits() *
                         formats.activation.element_bits() / 1e9;
    cost.layers.push_back({{gbops}, {}});
    cost.totals[0] += gbops;
  }
  return cost;
}

}  // namespace bitsmith::hwmodels
