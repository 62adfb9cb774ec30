#pragma once

#include "quant/kernels/function_kernels.hpp"
#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// A function of each element: see quant::Function.
class FunctionLayer : public Layer {
 public:
  explicit FunctionLayer(const LayerArguments& arguments)
      : function_(arguments.node.function),
        alpha_(arguments.node.alpha),
        beta_(arguments.node.beta),
        elements_(arguments.node.output.elements()) {}

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override {
    quant::function_kernels().forward(function_, alpha_, beta_, part.x[0], part.samples * elements_, part.y);
  }
  void backward(const BackwardPart& part) override {
    if (part.dx[0] != nullptr)
      quant::function_kernels().backward(function_, alpha_, beta_, part.x[0], part.dy,
                                         part.samples * elements_, part.dx[0]);
  }

 private:
  quant::Function function_;
  float alpha_, beta_;
  std::int64_t elements_;
};

}  // namespace bitsmith::trainer
