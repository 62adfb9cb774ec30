#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// The mean over all pixels of each channel.
class GlobalAveragePool : public Layer {
 public:
  explicit GlobalAveragePool(const LayerArguments& arguments)
      : channels_(arguments.input().channels), pixels_(arguments.input().height * arguments.input().width) {}

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  int channels_, pixels_;
};

}  // namespace bitsmith::trainer
