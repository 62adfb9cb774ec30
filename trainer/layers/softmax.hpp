#pragma once

#include "quant/kernels/token_kernels.hpp"
#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// Of each of `groups` equal runs of a pixel's channels.
class Softmax : public Layer {
 public:
  explicit Softmax(const LayerArguments& arguments)
      : rows_(arguments.node.output.pixels() * arguments.node.groups),
        columns_(arguments.node.output.channels / arguments.node.groups) {}

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = false, .output = true}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override {
    quant::token_kernels().softmax(part.x[0], part.samples * rows_, columns_, part.y);
  }
  void backward(const BackwardPart& part) override {
    if (part.dx[0] != nullptr)
      quant::token_kernels().softmax_backward(part.y, part.dy, part.samples * rows_, columns_, part.dx[0]);
  }

 private:
  std::int64_t rows_;
  int columns_;
};

}  // namespace bitsmith::trainer
