#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// factor * A * B, or factor * A * B^T, head by head: see quant::NetworkBuilder::matmul.
class MatMul : public Layer {
 public:
  explicit MatMul(const LayerArguments& arguments);

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int samples, bool backward) const override;
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes_each; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  quant::Shape left_, right_, output_;
  int heads_;
  bool transpose_;
  float factor_;
  int rows_;    ///< pixels of the left operand
  int tokens_;  ///< pixels of the right operand
  int depth_;   ///< channels of a head of the right operand
};

}  // namespace bitsmith::trainer
