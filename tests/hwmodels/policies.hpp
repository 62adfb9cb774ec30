#pragma once

#include "hwmodels/step_catalog.hpp"
#include "quant/base/random.hpp"
#include "quant/policy.hpp"

namespace bitsmith::hwmodels_tests {

/// A policy that the choices allow.
inline quant::Policy random_policy(const quant::NetworkInfo& network, const hwmodels::BitChoices& choices,
                                   base::Rng& rng) {
  quant::Policy policy;
  for (const quant::LayerInfo& layer : network.layers) {
    const auto allowed = hwmodels::layer_choices(layer, choices);
    policy.layers.push_back(allowed[rng.below(allowed.size())]);
  }
  return policy;
}

}  // namespace bitsmith::hwmodels_tests
