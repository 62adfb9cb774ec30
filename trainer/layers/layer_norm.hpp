#pragma once

#include <vector>

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta over the channels of each pixel.
class LayerNorm : public Layer {
 public:
  explicit LayerNorm(const LayerArguments& arguments);

  void reserve(int parts, std::span<const int> samples, bool backward) override;
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;
  void finish_backward(int parts) override;

 private:
  Parameter *gamma_, *beta_;
  float epsilon_;
  int channels_;
  std::int64_t pixels_;
  std::vector<std::vector<double>> sums_;  ///< of each part: of gamma's gradient, then of beta's
};

}  // namespace bitsmith::trainer
