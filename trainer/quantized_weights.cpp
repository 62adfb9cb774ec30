#include "trainer/quantized_weights.hpp"

#include "trainer/layers/weight_quantizer.hpp"

namespace bitsmith::trainer {

QuantizedWeights quantize_weights(const Parameter& weight, const LayerQuantization& quantization) {
  QuantizedWeights result;
  const quant::Format format = quantization.weight_format;
  if (format.is_float()) {
    result.floats = weight.value;
    return result;
  }
  WeightQuantizer quantizer;
  quantizer.update(weight, quantization);
  if (!format.is_integer()) result.encoded = quantizer.encoded();
  if (quantizer.levels().empty())
    result.floats.assign(quantizer.values(), quantizer.values() + weight.value.size());
  result.levels.assign(quantizer.levels().begin(), quantizer.levels().end());
  result.scales.assign(quantizer.scales().begin(), quantizer.scales().end());
  return result;
}

}  // namespace bitsmith::trainer
