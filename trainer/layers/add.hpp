#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = activation(a + b), equal shapes.
class Add : public Layer {
 public:
  explicit Add(const LayerArguments& arguments)
      : activation_(arguments.activation), elements_(arguments.node.output.elements()) {}

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = false, .output = !activation_.none()}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override {
    return activation_.none() ? GradientStyle::pass_through : GradientStyle::in_place;
  }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  Activation activation_;
  std::int64_t elements_;
};

}  // namespace bitsmith::trainer
