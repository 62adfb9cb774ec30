#pragma once

#include <cstdint>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::ptq {

struct OutputPosition {
  int image = 0, row = 0, column = 0;
};

/// About `wanted` positions of a layer's output over all images: the same number of distinct ones in each (at
/// least one, at most all), in random order, so that any stretch of the list is a random sample.
std::vector<OutputPosition> sample_positions(quant::Shape output, int images, int wanted, std::uint64_t seed);

/// What one group of the layer reads for each position, a row of (inputs of a group) x kernel rows x kernel
/// columns: the order of an output channel's weights. Padding is 0.
void gather_inputs(const quant::LayerInfo& layer, const Tensor& input,
                   const std::vector<OutputPosition>& positions, int group, float* rows);

/// targets[c][p]: output channel first + c at position p.
void gather_outputs(const Tensor& output, const std::vector<OutputPosition>& positions, int first, int count,
                    float* targets);

}  // namespace bitsmith::trainer::ptq
