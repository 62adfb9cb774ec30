#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "trainer/layer.hpp"
#include "trainer/network.hpp"
#include "trainer/parts.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::ptq {

/// A network's evaluation, node by node over a fixed set of images, for whoever changes a layer on the way:
/// `(run(1) release(1)?) (run(2) run(2)* release(2)?) ...` in the order of nodes. A node computes with the
/// numbers and the quantization that its layer has at that moment. Values are those of
/// Network::forward(evaluate) to rounding, and do not depend on the number of threads.
class NodeWalk {
 public:
  /// Both must outlive it.
  NodeWalk(const Network& network, const Tensor& images);
  ~NodeWalk();

  /// Computes the node's value from its inputs'; once more, after a change, replaces it.
  void run(int node);
  /// Node 0: the images. Valid until it is released.
  const Tensor& value(int node) const;
  bool has(int node) const;
  /// Frees the values that no node after `node` reads.
  void release(int node);

 private:
  const Network& network_;
  const Tensor& images_;
  std::vector<Part> lanes_;
  std::vector<std::unique_ptr<Layer>> layers_;  ///< per node; null for the images and for those that are done
  std::vector<Tensor> values_;
  std::vector<int> last_reader_;
};

/// Goes through two networks of one description in step. `at_layer(layer, got, wanted)` is called for each
/// layer (an index in NetworkInfo::layers) when `wanted` has computed it and `got` everything before it; it
/// may change the layer in `quantized`, and run its node.
using AtLayer = std::function<void(int layer, NodeWalk& got, const NodeWalk& wanted)>;
void walk_layers(const Network& quantized, const Network& reference, const Tensor& images,
                 const AtLayer& at_layer);

}  // namespace bitsmith::trainer::ptq
