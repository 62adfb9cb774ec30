#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// The largest value of each window, per channel; padding is never chosen. Of equal values the first (row by
/// row) wins and gets the gradient. Throws UserError for windows that lie in the padding entirely.
class MaxPool : public Layer {
 public:
  explicit MaxPool(const LayerArguments& arguments);

  void reserve(int parts, std::span<const int> samples, bool backward) override;
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  quant::Window window_;
  quant::Shape input_, output_;
  std::vector<std::vector<int>>
      winners_;  ///< per part and output value: the offset of its input within the sample
};

}  // namespace bitsmith::trainer
