// DoReFa-Net: weights go through tanh before they are rounded.

#include <algorithm>
#include <cmath>

#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {
namespace {

/// max |tanh w|, or 1 where all are zero.
double largest_tanh(const Parameter& weight) {
  float largest = 0;
  for (float w : weight.value) largest = std::max(largest, std::abs(w));
  return largest > 0 ? std::tanh(static_cast<double>(largest)) : 1.0;
}

void update(const Parameter& weight, const LayerQuantization& q, WeightState& state) {
  if (!q.weight_format.is_integer()) return encode_format(weight, q, state);
  const quant::IntegerRange range = weight_range(q);
  const double largest = largest_tanh(weight);
  std::vector<float> squashed(weight.value.size());
  std::ranges::transform(weight.value, squashed.begin(), [&](float w) {
    return static_cast<float>(std::tanh(static_cast<double>(w)) / largest);
  });
  state.scales.assign(1, 1.0f / static_cast<float>(range.high));
  round_to_levels(squashed.data(), squashed.size(), range, state);
}

void backward(Parameter& weight, const LayerQuantization& q, const WeightState&) {
  if (!q.weight_format.is_integer()) return;
  const double largest = largest_tanh(weight);
  for (std::size_t i = 0; i < weight.value.size(); ++i) {
    const double t = std::tanh(static_cast<double>(weight.value[i]));
    weight.gradient[i] = static_cast<float>(static_cast<double>(weight.gradient[i]) * (1 - t * t) / largest);
  }
}

}  // namespace

const WeightMethodCode kDorefaWeights{
    .method = quant::WeightMethod::dorefa, .update = update, .backward = backward};

}  // namespace bitsmith::trainer
