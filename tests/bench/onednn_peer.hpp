#pragma once

#include <functional>

#include "quant/network_info.hpp"

namespace bitsmith::bench {

/// One int8 layer in plain oneDNN, in the layout it prefers, at batch 1: u8 activations, s8 weights, bias and
/// one output scale per channel; convolutions with ReLU and u8 outputs, linear layers with f32 outputs. Each
/// call uses the next of as many copies of the weights as fill `weight_bytes` (0: a single one).
std::function<void()> onednn_int8_peer(const quant::LayerInfo& layer, double weight_bytes);

}  // namespace bitsmith::bench
