#pragma once

#include <string>

#include "quant/network_info.hpp"
#include "quant/options.hpp"
#include "quant/policy.hpp"

namespace bitsmith::experiments {

/// The policy of a file, or (an empty name) these formats for every layer, with first_layer_bits and
/// last_layer_bits above them. Throws UserError for what does not fit the network.
quant::Policy chosen_policy(const quant::NetworkInfo& network, const std::string& file,
                            quant::LayerFormats formats, const quant::QuantizationOptions& options);

}  // namespace bitsmith::experiments
