#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// A layer's weights in their format, as its kernel takes them: integer levels and the value of one level, or
/// fp32 numbers.
struct QuantizedWeights {
  std::vector<std::int8_t> levels;        ///< empty: `floats` are the weights
  std::vector<float> scales;              ///< of the levels: one, or one per output channel
  std::vector<float> floats;              ///< fp32 weights, or those of a format that is decoded
  std::optional<quant::Encoded> encoded;  ///< of formats other than integers: what is stored
};

/// `weight`: outputs x the rest. Throws UserError if one is not finite (names the parameter).
QuantizedWeights quantize_weights(const Parameter& weight, const LayerQuantization& quantization);

}  // namespace bitsmith::trainer
