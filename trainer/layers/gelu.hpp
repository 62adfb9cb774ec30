#pragma once

#include "quant/kernels/token_kernels.hpp"
#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = x * Phi(x), Phi the normal distribution.
class Gelu : public Layer {
 public:
  explicit Gelu(const LayerArguments& arguments) : elements_(arguments.node.output.elements()) {}

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override {
    quant::token_kernels().gelu(part.x[0], part.samples * elements_, part.y);
  }
  void backward(const BackwardPart& part) override {
    if (part.dx[0] != nullptr)
      quant::token_kernels().gelu_backward(part.x[0], part.dy, part.samples * elements_, part.dx[0]);
  }

 private:
  std::int64_t elements_;
};

}  // namespace bitsmith::trainer
