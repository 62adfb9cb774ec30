#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// The mean of the pixels of each window that lie on the image, per channel: padding is left out of the
/// divisor (ONNX's count_include_pad = 0) unless the node counts it. Throws UserError for windows that lie in
/// the padding entirely.
class AveragePool : public Layer {
 public:
  explicit AveragePool(const LayerArguments& arguments);

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  quant::Window window_;
  bool counts_padding_;
  quant::Shape input_, output_;
};

}  // namespace bitsmith::trainer
