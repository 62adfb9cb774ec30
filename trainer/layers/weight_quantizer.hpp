#pragma once

#include <span>
#include <vector>

#include "trainer/layer_quantization.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// Latent weights -> what the forward multiplies with. Scales follow the latent weights: clip * max|w| /
/// largest level, per output channel or per tensor; 1 where all weights are zero. Or they are fixed, where
/// LayerQuantization::weight_scales says so.
class WeightQuantizer {
 public:
  /// Fits scales and quantized weights to the present latent weights (outputs x the rest).
  void update(const Parameter& weight, const LayerQuantization& quantization);
  /// Zeroes the gradient of weights whose rounded integer is out of range (clipped straight-through
  /// estimator).
  void mask_gradient(Parameter& weight, const LayerQuantization& quantization) const;

  const float* values() const { return values_.data(); }
  std::span<const float> scales() const { return scales_; }

 private:
  std::vector<float> scales_, values_;
};

}  // namespace bitsmith::trainer
