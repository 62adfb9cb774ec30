#pragma once

#include <vector>

#include "trainer/network.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"

namespace bitsmith::trainer::ptq {

/// Per node, what can be said without data of the mean of each channel of its output: layers whose batch norm
/// was folded and batch norms that remain give normal distributions, ReLU and ReLU6 clip them (and what they
/// give is no longer normal), average pooling, flattening and quantize nodes keep the mean, additions add
/// means. Max pooling, the images, and a ReLU behind an addition are unknown.
std::vector<ChannelMoments> expected_activations(const Network& network,
                                                 const std::vector<ChannelMoments>& layer_outputs);

}  // namespace bitsmith::trainer::ptq
