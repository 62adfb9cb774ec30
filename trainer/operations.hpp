#pragma once

#include <vector>

#include "quant/network_info.hpp"
#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// A step of a network's execution: a node, with the ReLU that it has taken in.
struct Operation {
  static constexpr int kImages = -1;  ///< in `inputs`: the network's input

  int node = 0;             ///< the node that computes
  Activation activation;    ///< taken in from the node after it
  std::vector<int> inputs;  ///< indices of earlier operations, or kImages
  quant::Shape output;
  int layer = -1;     ///< index in NetworkInfo::layers, or -1
  int observed = -1;  ///< index of its input as InputObserver counts, or -1
};

/// The network as operations in execution order; the last one computes the logits. A ReLU or ReLU6 that alone
/// reads a batch norm or an add becomes its activation. Throws UserError for a network without operations,
/// and for nodes whose output never reaches the network's output.
std::vector<Operation> plan_operations(const quant::NetworkInfo& info);

}  // namespace bitsmith::trainer
