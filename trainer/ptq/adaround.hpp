#pragma once

#include <cstdint>
#include <vector>

#include "quant/base/progress.hpp"
#include "trainer/network.hpp"
#include "trainer/ptq/options.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::ptq {

/// What rounding a layer's weights up or down has won: the loss (squared difference of activations, summed
/// over channels, mean over the sampled positions) rounded to nearest and as learnt, and the share of weights
/// that are not at their nearest level.
struct LayerRounding {
  double nearest_loss = 0, loss = 0, moved = 0;
};

/// AdaRound over all layers with integer weights, in the order of execution: a layer's targets come from
/// `reference`, the fp32 network, its inputs from `quantized`, whose earlier layers are rounded already and
/// whose inputs are quantized too where the policy says so; after the activation where one follows the layer
/// alone. `quantized` has the description of `reference`, and fixed weight scales (fix_weights); its weights
/// end up on the same levels, each at one of the two next to the reference's. An output channel that learning
/// has not made better than rounding to nearest keeps that. One entry per layer (zeros for other
/// weights). The result is a function of the arguments, never of the number of threads.
std::vector<LayerRounding> adaround(Network& quantized, const Network& reference, const Tensor& images,
                                    const SampleOptions& sample, const AdaRoundOptions& options,
                                    std::uint64_t seed, const base::Progress& progress = base::no_progress);

}  // namespace bitsmith::trainer::ptq
