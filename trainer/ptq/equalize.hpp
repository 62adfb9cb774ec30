#pragma once

#include <vector>

#include "trainer/network.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"

namespace bitsmith::trainer::ptq {

struct EqualizeOptions {
  double tolerance = 1e-4;  ///< repeat until no factor is farther from 1 than this ...
  int sweeps = 100;         ///< ... or so often
};

struct EqualizeReport {
  int pairs = 0, triples = 0;  ///< sets of layers whose ranges have been made equal
  int sweeps = 0;
};

/// Cross-layer equalization (Nagel et al. 2019, section 4.1): the largest weights of an output channel and of
/// the input channel that reads it become equal, for every pair of connected layers, and for every triple
/// around a depthwise layer; the network's function stays. Needs folded batch norms: a batch norm between two
/// layers parts them, as do ReLU6, additions and second readers. Channels whose weights are zero on one side
/// (or less than a millionth of the layer's largest, which no quantizer sees) are left alone. `outputs`, the
/// moments of each layer's output, are scaled with them.
EqualizeReport equalize(Network& network, std::vector<ChannelMoments>& outputs,
                        const EqualizeOptions& options = {});

}  // namespace bitsmith::trainer::ptq
