#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/formats/encoding.hpp"
#include "trainer/layer_quantization.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// Latent weights -> what the forward multiplies with. The parameters of a format follow the latent weights;
/// integers have the scale clip * max|w| / largest level, per output channel or per tensor; 1 where all
/// weights are zero; or fixed scales, where LayerQuantization::weight_scales says so.
class WeightQuantizer {
 public:
  /// Fits scales and quantized weights to the present latent weights (outputs x the rest).
  void update(const Parameter& weight, const LayerQuantization& quantization);
  /// In: weight.gradient with respect to values(). Out: with respect to the latent weights (straight-through:
  /// zero where the rounded integer is out of range; other formats clip nothing at the largest weight, and
  /// pass all of it).
  void backward(Parameter& weight, const LayerQuantization& quantization) const;

  const float* values() const { return values_.data(); }
  /// Weights as small integers, value = level * scale of its output channel (or of all): what integer kernels
  /// multiply. Empty for formats that are decoded (quant/serving.hpp).
  std::span<const std::int8_t> levels() const { return levels_; }
  std::span<const float> scales() const { return scales_; }
  const quant::Encoded& encoded() const { return encoded_; }  ///< other formats

 private:
  void update_integers(const Parameter& weight, const LayerQuantization& quantization);

  std::vector<float> scales_, values_;
  std::vector<std::int8_t> levels_;
  quant::Encoded encoded_;
};

}  // namespace bitsmith::trainer
