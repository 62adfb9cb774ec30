#pragma once

#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::quant {

/// Layers, by number and ascending, of which some decision of a policy can only be one and the same.
using TiedLayers = std::vector<int>;

/// Per layer: the node whose output it reads, past flattening.
std::vector<int> tensors_read(const NetworkInfo& network);

/// Groups of two and more that have one weight.
std::vector<TiedLayers> layers_of_one_weight(const NetworkInfo& network);

/// Groups of two and more that read one tensor, which is quantized once where they have one format for it.
std::vector<TiedLayers> readers_of_one_tensor(const NetworkInfo& network);

/// Groups of two and more that read tensors of one residual stream: those that additions join, with what a
/// ReLU makes of them. An adder of integers wants all of them in one format.
std::vector<TiedLayers> readers_of_one_residual_stream(const NetworkInfo& network);

}  // namespace bitsmith::quant
