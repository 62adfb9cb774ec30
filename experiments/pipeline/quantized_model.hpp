#pragma once

#include <string>

#include "experiments/config/config.hpp"
#include "quant/plan.hpp"
#include "trainer/data/data.hpp"
#include "trainer/deployed_model.hpp"

namespace bitsmith::experiments {

/// A network that a command without a search has quantized, as a file holds it: with the form of its input
/// and where it comes from. `method`: the command. Throws UserError as deploy() does.
trainer::DeployedModel quantized_model(const trainer::Network& network, const quant::Plan& plan,
                                       const Config& config, const trainer::Data& data,
                                       const std::string& method);

}  // namespace bitsmith::experiments
