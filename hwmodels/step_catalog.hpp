#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "quant/network_info.hpp"
#include "quant/plan.hpp"

namespace bitsmith::hwmodels {

/// Formats that policies may use. 8 bits and fp32 are always among them: every search is compared with
/// uniform 8 bits and with fp32. Signed activations take no 1 bit.
struct BitChoices {
  std::vector<quant::Format> weight_bits = {2, 3, 4, 5, 6, 7, 8, quant::kFloatBits};
  std::vector<quant::Format> activation_bits = {2, 3, 4, 5, 6, 7, 8, quant::kFloatBits};
};

/// Every (weights, activations) of `choices` that some kernel here can serve for this layer, ascending.
/// Throws UserError for formats that no policy may have.
std::vector<quant::LayerFormats> layer_choices(const quant::LayerInfo& layer, const BitChoices& choices);

/// A step that plans may hold, and its key.
struct CatalogStep {
  quant::Step step;      ///< kernel not chosen; of a layer the bits are an example
  std::string key;       ///< Step::shape_key
  quant::Policy policy;  ///< one whose plan has this step
};

/// What tells the steps of layers apart, beside the bits: layer, storages, whether the output is clamped.
using LayerStepKey = std::tuple<int, quant::Storage, quant::Storage, bool>;
inline LayerStepKey layer_step_key(const quant::Step& step) {
  return {step.layer, step.from, step.to, step.clamped};
}

/// Every distinct step that policies of these choices lower to: of layers, one per layer, input and output
/// storage; of the others, one per key.
struct StepCatalog {
  std::vector<CatalogStep> layers, others;
};

/// By lowering. A step depends on whether its own layer and the layers around it compute on integers of 8
/// bits, of fewer, on floats or on decoded weights, not on how many bits there are else; so each layer is put
/// into each of its modes while all others are in each of theirs.
StepCatalog enumerate_steps(const quant::NetworkInfo& network, const BitChoices& choices);

}  // namespace bitsmith::hwmodels
