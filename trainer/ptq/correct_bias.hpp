#pragma once

#include <vector>

#include "trainer/network.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::ptq {

// Bias correction (Nagel et al. 2019, section 4.2). `quantized` has the description of `reference`, the fp32
// network that it shall give the same mean outputs as; every layer has a bias.

/// Without data: bias -= sum over weights of (quantized - reference) times the expected input, a tap counting
/// for the share of output positions at which it is not on padding. `expected` is per node, see
/// expected_activations. Returns the layers, of those with quantized weights, that were left as they are
/// because the mean of their input is not known.
std::vector<int> correct_biases_analytically(Network& quantized, const Network& reference,
                                             const std::vector<ChannelMoments>& expected);

/// From images: layer by layer, with predecessors that are corrected already, bias -= mean over images and
/// positions of (quantized - reference output). Corrects what quantized inputs do, too.
void correct_biases_empirically(Network& quantized, const Network& reference, const Tensor& images);

}  // namespace bitsmith::trainer::ptq
