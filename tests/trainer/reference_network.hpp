#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "quant/network_info.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/mode.hpp"

namespace bitsmith::trainer::test {

using Values = std::vector<double>;

/// Every parameter and buffer of a network by name, in float64.
using Numbers = std::map<std::string, Values>;

/// One node in float64, written straight from its definition; tensors are N, H, W, C. Batch norm: the batch's
/// statistics in training, else `numbers`' running ones.
Values reference_node(const quant::NetworkInfo& info, const quant::Node& node, int batch,
                      const std::vector<const Values*>& inputs, const Numbers& numbers, Mode mode);

/// Likewise: functions, products by gates, and what moves pixels and channels.
Values reference_image_node(const quant::NetworkInfo& info, const quant::Node& node, int batch,
                            const std::vector<const Values*>& inputs, const Numbers& numbers);

/// The output of the last node.
Values reference_forward(const quant::NetworkInfo& info, int batch, const Values& images,
                         const Numbers& numbers, Mode mode);

}  // namespace bitsmith::trainer::test
