#pragma once

#include <cstdint>
#include <vector>

#include "trainer/network.hpp"
#include "trainer/ptq/node_walk.hpp"
#include "trainer/ptq/options.hpp"
#include "trainer/ptq/reconstruction.hpp"

namespace bitsmith::trainer::ptq {

/// What one layer reads in the quantized network (its input quantized, where it quantizes it) and gives in
/// the fp32 network, after the activation where one follows the layer alone, at sampled output positions. Cut
/// into blocks of output channels that read the same inputs: what is computed of one is the same whichever
/// thread works on it.
class LayerSamples {
 public:
  struct Block {
    int first = 0;  ///< output channel
    ReconstructionTask task;
  };

  /// `quantized` stands before the layer, `reference` has run it; neither is needed afterwards.
  LayerSamples(const Network& network, int layer, const NodeWalk& quantized, const NodeWalk& reference,
               const SampleOptions& options, std::uint64_t seed);

  const std::vector<Block>& blocks() const { return blocks_; }
  int rows() const { return rows_; }
  int depth() const { return depth_; }

 private:
  int rows_ = 0, depth_ = 0;
  std::vector<float> bias_;
  std::vector<std::vector<float>> inputs_;   ///< per group
  std::vector<std::vector<float>> targets_;  ///< per block
  std::vector<Block> blocks_;
};

}  // namespace bitsmith::trainer::ptq
