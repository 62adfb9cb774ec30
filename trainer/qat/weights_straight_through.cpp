// Latent weights behind integers, or behind any format, straight through.

#include <cmath>

#include "quant/fake_quantize.hpp"
#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

/// |gamma / deviation| of each output channel where batch norm is folded, and 1 where that is 0: a channel
/// that counts for nothing is quantized as it is.
std::vector<float> fold_factors(const LayerQuantization& q) {
  const LearnedQuantization& fold = q.learned;
  std::vector<float> factors(fold.gamma->value.size());
  for (std::size_t c = 0; c < factors.size(); ++c) {
    const double deviation = std::sqrt(static_cast<double>(fold.variance->value[c]) + fold.epsilon);
    const auto factor = static_cast<float>(std::abs(static_cast<double>(fold.gamma->value[c])) / deviation);
    factors[c] = std::isnormal(factor) ? factor : 1.0f;
  }
  return factors;
}

/// The scales of a layer whose batch norm is folded, one for each output channel: those of the multiplied
/// weights, divided by each channel's factor. round(w k / s) is round(w / (s / k)).
void folded_scales(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  const quant::IntegerRange range = weight_range(q);
  const std::vector<float> factors = fold_factors(q);
  const std::size_t channels = factors.size(), row = weight.value.size() / channels;
  std::vector<float> largest(channels);
  float most = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    largest[c] = factors[c] * quant::max_abs(&weight.value[c * row], static_cast<std::int64_t>(row));
    most = std::max(most, largest[c]);
  }
  const bool per_channel = q.weight_granularity == quant::Granularity::channel;
  state.scales.resize(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const float clip = q.weight_clip.empty() ? 1.0f : q.weight_clip[per_channel ? c : 0];
    const float scale = quant::scale_of_threshold(clip * (per_channel ? largest[c] : most), range);
    const float own = scale / factors[c];
    state.scales[c] = std::isnormal(own) ? own : scale;
  }
}

void own_scales(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  const WeightRows rows = weight_rows(weight, q);
  const quant::IntegerRange range = weight_range(q);
  state.scales.resize(rows.count);
  for (std::size_t r = 0; r < rows.count; ++r) {
    const float largest =
        quant::max_abs(weight.value.data() + r * rows.size, static_cast<std::int64_t>(rows.size));
    const float clip = q.weight_clip.empty() ? 1.0f : q.weight_clip[r];
    state.scales[r] =
        q.weight_scales.empty() ? quant::scale_of_threshold(clip * largest, range) : q.weight_scales[r];
  }
}

void update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  if (!q.weight_format.is_integer()) return encode_format(weight, q, state);
  if (q.learned.gamma != nullptr && q.weight_scales.empty())
    folded_scales(weight, q, state);
  else
    own_scales(weight, q, state);
  round_to_levels(weight.value.data(), weight.value.size(), weight_range(q), state);
}

void backward(Parameter& weight, const LayerQuantization& q, const WeightState& state) {
  if (!q.weight_format.is_integer()) return;
  const quant::IntegerRange range = weight_range(q);
  const auto rows = std::ssize(state.scales);
  quant::fake_quantize_channels_backward(weight.value.data(), rows, std::ssize(weight.value) / rows,
                                         state.scales.data(), range.low, range.high, weight.gradient.data(),
                                         weight.gradient.data());
}

void pass_all(Parameter&, const LayerQuantization&, const WeightState&) {}

}  // namespace

using enum quant::WeightMethod;
const WeightMethodCode kStraightThroughWeights{
    .method = straight_through, .update = update, .backward = backward};
const WeightMethodCode kFormatWeights{.method = format, .update = encode_format, .backward = pass_all};
// The formats' own formulas are the papers'; both pass the whole gradient to the latent weights.
const WeightMethodCode kTwnWeights{.method = twn, .update = encode_format, .backward = pass_all};
const WeightMethodCode kBitnetWeights{.method = bitnet, .update = encode_format, .backward = pass_all};

}  // namespace bitsmith::trainer
