#include "trainer/quantized_weights.hpp"

#include <utility>

#include "quant/fake_quantize.hpp"
#include "quant/quantizer.hpp"
#include "quant/serving.hpp"
#include "quant/weight_encoding.hpp"
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
  if (format.is_integer()) {
    result.scales.assign(quantizer.scales().begin(), quantizer.scales().end());
    result.levels.resize(weight.value.size());
    const quant::IntegerRange range = quant::integer_range(format.code(), true);
    quant::quantize_channels_s8(weight.value.data(), std::ssize(result.scales),
                                std::ssize(weight.value) / std::ssize(result.scales), result.scales.data(),
                                range.low, range.high, result.levels.data());
    return result;
  }
  result.encoded = quantizer.encoded();
  if (quant::is_decoded(format)) {
    result.floats.assign(quantizer.values(), quantizer.values() + weight.value.size());
    return result;
  }
  quant::WeightLevels levels = quant::weight_levels(*result.encoded);
  result.levels = std::move(levels.levels);
  result.scales = std::move(levels.scales);
  return result;
}

}  // namespace bitsmith::trainer
