#include "trainer/qat/weight_method.hpp"

#include <utility>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/serving.hpp"
#include "quant/weight_encoding.hpp"

namespace bitsmith::trainer {

const WeightMethodCode& weight_method_code(quant::WeightMethod method) {
  static const WeightMethodCode* const kCodes[] = {
      &kStraightThroughWeights, &kFormatWeights,        &kDorefaWeights, &kLsqWeights,
      &kLsqPlusWeights,         &kBinaryConnectWeights, &kBwnWeights,    &kXnorWeights,
      &kTernarySplitWeights,    &kTwnWeights,           &kTtqWeights,    &kBitnetWeights,
      &kKmeansWeights};
  const WeightMethodCode& code = *kCodes[static_cast<std::size_t>(method)];
  base::require(code.method == method, "weight methods out of order");
  return code;
}

WeightRows weight_rows(const Parameter& weight, const LayerQuantization& quantization) {
  const bool per_channel = quantization.weight_granularity == quant::Granularity::channel;
  const auto count = static_cast<std::size_t>(per_channel ? weight.shape[0] : 1);
  return {count, weight.value.size() / count};
}

quant::IntegerRange weight_range(const LayerQuantization& quantization) {
  return quant::integer_range(quantization.weight_format.code(), true);
}

void round_to_levels(const float* weights, std::size_t size, quant::IntegerRange range, WeightState& state) {
  const auto rows = std::ssize(state.scales), row = static_cast<std::int64_t>(size) / rows;
  state.values.resize(size);
  state.levels.resize(size);
  quant::fake_quantize_channels(weights, rows, row, state.scales.data(), range.low, range.high,
                                state.values.data());
  quant::quantize_channels_s8(weights, rows, row, state.scales.data(), range.low, range.high,
                              state.levels.data());
}

void encode_format(const Parameter& weight, const LayerQuantization& quantization, WeightState& state) {
  state.encoded = quant::encode_weights(weight.value, weight.shape[0], quantization.weight_format,
                                        quantization.weight_granularity);
  decode_format(state);
}

void decode_format(WeightState& state) {
  state.values = quant::decode(state.encoded);
  state.levels.clear();
  state.scales.clear();
  if (quant::is_decoded(state.encoded.format)) return;
  quant::WeightLevels levels = quant::weight_levels(state.encoded);
  state.levels = std::move(levels.levels);
  state.scales = std::move(levels.scales);
}

}  // namespace bitsmith::trainer
