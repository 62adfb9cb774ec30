#pragma once

#include <vector>

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// slice, shuffle, pad and resize: every output element is an input element, or a constant.
class MovedPixels : public Layer {
 public:
  explicit MovedPixels(const LayerArguments& arguments);

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  float value_;
  quant::Shape input_, output_;
  std::vector<int> pixel_;    ///< of the input, for each output pixel; -1: the constant
  std::vector<int> channel_;  ///< of the input, for each output channel
  bool run_of_channels_;      ///< channel_ counts on from its first
};

}  // namespace bitsmith::trainer
