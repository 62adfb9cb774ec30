#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/step_kernels.hpp"
#include "quant/network_info.hpp"
#include "quant/plan.hpp"
#include "quant/policy.hpp"
#include "trainer/data/input_form.hpp"
#include "trainer/network.hpp"

namespace bitsmith::trainer {

/// A step of a plan with all its numbers.
struct DeployedStep {
  quant::Step step;
  quant::LayerNumbers layer;  ///< step.kind == layer
  /// Of weights in formats other than integers: what they are stored as. `layer` has them as levels, or
  /// decoded.
  std::optional<quant::Encoded> weights;
  quant::StepNumbers other;  ///< every other kind

  // What running the step does not need, as `layer` has it in its multipliers; for people, and for exports.
  float output_scale = 0;  ///< kind == layer, to != f32: the real number that one integer step is; 0: unknown
  /// kind == layer, levels: the real number of one, one or one for each output channel, batch norm not
  /// counted. Empty: unknown.
  std::vector<float> weight_scales;
};

/// A trained network under a policy as plain data: what a `.bsm` file holds, and all that IntegerNetwork
/// needs.
struct DeployedModel {
  quant::NetworkInfo network;
  quant::Policy policy;
  std::vector<DeployedStep> steps;  ///< in execution order; the last gives the logits, in f32
  InputForm input;
  std::vector<std::pair<std::string, std::string>> provenance;  ///< (what, value), for people
};

/// The plan's numbers from the network's. Weights are quantized as the network's forward does; batch norm
/// (its running statistics), bias and the scales of input, weights and output become one multiplier and one
/// bias per channel. `network` must compute under plan.policy (see apply_policy). Throws UserError where a
/// number is not finite, or where layers that share one quantized tensor have different scales for it.
/// `input` and `provenance` are left empty.
DeployedModel deploy(const Network& network, const quant::Plan& plan);

}  // namespace bitsmith::trainer
