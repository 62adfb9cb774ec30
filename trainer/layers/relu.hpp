#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = max(x, 0). The gradient at 0 is 0. Only for ReLUs that no batch norm or add has taken in.
class Relu : public Layer {
 public:
  explicit Relu(const LayerArguments& arguments) : Relu(arguments, Activation::relu()) {}

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = false, .output = true}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 protected:
  Relu(const LayerArguments& arguments, Activation activation)
      : activation_(activation), elements_(arguments.node.output.elements()) {}

 private:
  Activation activation_;
  std::int64_t elements_;
};

}  // namespace bitsmith::trainer
