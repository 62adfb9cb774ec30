#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = a * b, of one shape, or with one value of b for each channel of a (squeeze and excitation, Hu et al.
/// 2018).
class Multiply : public Layer {
 public:
  explicit Multiply(const LayerArguments& arguments);

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes_each; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  bool gated_;
  int channels_;
  std::int64_t pixels_;
};

}  // namespace bitsmith::trainer
