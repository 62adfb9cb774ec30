#pragma once

#include "quant/network_info.hpp"
#include "quant/options.hpp"
#include "quant/policy.hpp"
#include "trainer/layer_quantization.hpp"

namespace bitsmith::trainer {

/// The methods of one layer under a policy: those of options.layers for it, else those of all layers. Where
/// these do not serve the layer's formats (its bits are pinned, or a search chose them), or the scale of its
/// input is given (has_given_input_scale), it trains straight through. Sets the methods, folds_batch_norm and
/// observes_input. Throws UserError where a method that options.layers names for the layer does not serve it.
void choose_methods(const quant::NetworkInfo& info, int layer, quant::LayerFormats formats,
                    const quant::QuantizationOptions& options, LayerQuantization& q);

/// Throws UserError where options.layers names a layer that the network has not (and the nearest that it
/// has).
void check_layer_names(const quant::NetworkInfo& info, const quant::QuantizationOptions& options);

/// The policy with the formats that options.layers sets in place of its own.
quant::Policy with_overrides(const quant::NetworkInfo& info, quant::Policy policy,
                             const quant::QuantizationOptions& options);

}  // namespace bitsmith::trainer
