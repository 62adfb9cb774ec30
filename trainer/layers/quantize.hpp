#pragma once

#include "quant/quantizer.hpp"
#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = x on the levels of 8-bit integers at a fixed scale, the network's buffer NODE.scale; y = x while that
/// is 0 (an fp32 network). The gradient passes where the rounded integer is in range (straight-through).
class Quantize : public Layer {
 public:
  explicit Quantize(const LayerArguments& arguments);

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  float scale() const { return scale_->value[0]; }

  const Buffer* scale_;
  quant::IntegerRange range_;
  std::int64_t elements_;
};

}  // namespace bitsmith::trainer
