#pragma once

#include <vector>

#include "trainer/network.hpp"

namespace bitsmith::trainer::ptq {

/// Mean and standard deviation of each channel of a tensor; empty where they are not known.
struct ChannelMoments {
  std::vector<double> mean, deviation;
  bool known() const { return !mean.empty(); }
};

struct FoldedNetwork {
  Network network;
  /// Per layer: what its batch norm knew of the output it gives now; unknown where none was folded.
  std::vector<ChannelMoments> outputs;
  int folded = 0;  ///< batch norms
};

/// The same function in evaluation without the batch norms that alone read a convolution's or linear layer's
/// output: with d = sqrt(running variance + epsilon), weights times gamma / d, biases (b - running mean)
/// gamma / d + beta, in double. Every layer has a bias afterwards; names stay. Other batch norms stay too, as
/// does every one when `fold` is false. A channel with gamma 0 has weights 0 and beta as its bias. The
/// moments of an output are beta and |gamma| sqrt(variance / (variance + epsilon)).
FoldedNetwork fold_batch_norms(const Network& network, bool fold = true);

}  // namespace bitsmith::trainer::ptq
