#pragma once

#include <cstdint>
#include <span>

#include "trainer/qat/weight_method.hpp"

namespace bitsmith::trainer {

/// Latent weights -> what the forward multiplies with, and gradients back, as
/// LayerQuantization::weight_method says (trainer/qat/README.md).
class WeightQuantizer {
 public:
  /// Fits scales and quantized weights to the present latent weights (outputs x the rest). Throws UserError
  /// where a weight, or a learned number, is not finite (names it).
  void update(const Parameter& weight, const LayerQuantization& quantization);
  /// In: weight.gradient with respect to values(). Out: with respect to the latent weights, and the gradients
  /// of the learned numbers of the layer's weights.
  void backward(Parameter& weight, const LayerQuantization& quantization) const;

  const float* values() const { return state_.values.data(); }
  /// Weights as small integers, value = level * scale of its output channel (or of all): what integer kernels
  /// multiply. Empty for formats that are decoded (quant/serving.hpp).
  std::span<const std::int8_t> levels() const { return state_.levels; }
  std::span<const float> scales() const { return state_.scales; }
  const quant::Encoded& encoded() const { return state_.encoded; }  ///< formats other than integers

 private:
  WeightState state_;
};

}  // namespace bitsmith::trainer
