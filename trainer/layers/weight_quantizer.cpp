#include "trainer/layers/weight_quantizer.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/quantizer.hpp"
#include "quant/serving.hpp"
#include "quant/weight_encoding.hpp"

namespace bitsmith::trainer {
namespace {

[[noreturn]] void refuse(const Parameter& weight) {
  throw base::UserError(
      fmt::format("{} is not finite any more: train with a lower learning rate", weight.name));
}

}  // namespace

void WeightQuantizer::update(const Parameter& weight, const LayerQuantization& quantization) {
  if (quantization.weight_format.is_integer()) return update_integers(weight, quantization);
  if (!std::isfinite(quant::max_abs(weight.value.data(), std::ssize(weight.value)))) refuse(weight);
  encoded_ = quant::encode_weights(weight.value, weight.shape[0], quantization.weight_format,
                                   quantization.weight_granularity);
  values_ = quant::decode(encoded_);
  levels_.clear();
  scales_.clear();
  if (quant::is_decoded(quantization.weight_format)) return;
  quant::WeightLevels levels = quant::weight_levels(encoded_);
  levels_ = std::move(levels.levels);
  scales_ = std::move(levels.scales);
}

void WeightQuantizer::update_integers(const Parameter& weight, const LayerQuantization& quantization) {
  const bool per_channel = quantization.weight_granularity == quant::Granularity::channel;
  const auto rows = static_cast<std::size_t>(per_channel ? weight.shape[0] : 1);
  const std::size_t row = weight.value.size() / rows;
  const quant::IntegerRange range = quant::integer_range(quantization.weight_format.code(), true);
  scales_.resize(rows);
  values_.resize(weight.value.size());
  for (std::size_t r = 0; r < rows; ++r) {
    const float largest = quant::max_abs(weight.value.data() + r * row, static_cast<std::int64_t>(row));
    if (!std::isfinite(largest)) refuse(weight);
    const float clip = quantization.weight_clip.empty() ? 1.0f : quantization.weight_clip[r];
    scales_[r] = quantization.weight_scales.empty() ? quant::scale_of_threshold(clip * largest, range)
                                                    : quantization.weight_scales[r];
  }
  const auto channels = static_cast<std::int64_t>(rows), per_channel_weights = static_cast<std::int64_t>(row);
  quant::fake_quantize_channels(weight.value.data(), channels, per_channel_weights, scales_.data(), range.low,
                                range.high, values_.data());
  levels_.resize(weight.value.size());
  quant::quantize_channels_s8(weight.value.data(), channels, per_channel_weights, scales_.data(), range.low,
                              range.high, levels_.data());
}

void WeightQuantizer::backward(Parameter& weight, const LayerQuantization& quantization) const {
  if (!quantization.weight_format.is_integer()) return;
  const quant::IntegerRange range = quant::integer_range(quantization.weight_format.code(), true);
  const std::size_t rows = scales_.size();
  quant::fake_quantize_channels_backward(weight.value.data(), static_cast<std::int64_t>(rows),
                                         static_cast<std::int64_t>(weight.value.size() / rows),
                                         scales_.data(), range.low, range.high, weight.gradient.data(),
                                         weight.gradient.data());
}

}  // namespace bitsmith::trainer
