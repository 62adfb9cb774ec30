#pragma once

#include <cstdint>
#include <vector>

#include "quant/base/progress.hpp"
#include "trainer/network.hpp"
#include "trainer/ptq/adaround.hpp"
#include "trainer/ptq/options.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::ptq {

/// K-means codebooks fitted to what their layers give (Han et al. 2016, section 3, layer by layer): with
/// every weight in the cluster that k-means put it into, the centroids follow the gradient of the
/// reconstruction loss, dL/dc = sum of dL/dw over the cluster. Layers, inputs and targets as in adaround(); a
/// codebook that has not become better stays. Weights end up on at most 2^bits values, which k-means gives
/// back as they are. One entry per layer: nearest_loss before, loss after (zeros for other weights); nothing
/// is `moved`.
std::vector<LayerRounding> finetune_centroids(Network& quantized, const Network& reference,
                                              const Tensor& images, const SampleOptions& sample,
                                              const CentroidOptions& options, std::uint64_t seed,
                                              const base::Progress& progress = base::no_progress);

/// Whether the format's levels are such a codebook.
bool has_centroids(quant::Format format);

}  // namespace bitsmith::trainer::ptq
