#pragma once

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
  /// The straight-through estimator: zeroes the gradient of weights whose rounded integer is out of range;
  /// other formats, which clip nothing at the largest weight, pass all of it.
  void mask_gradient(Parameter& weight, const LayerQuantization& quantization) const;

  const float* values() const { return values_.data(); }
  std::span<const float> scales() const { return scales_; }   ///< integers
  const quant::Encoded& encoded() const { return encoded_; }  ///< other formats

 private:
  void update_integers(const Parameter& weight, const LayerQuantization& quantization);

  std::vector<float> scales_, values_;
  quant::Encoded encoded_;
};

}  // namespace bitsmith::trainer
