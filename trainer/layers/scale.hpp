#pragma once

#include "trainer/layer.hpp"
#include "trainer/layers/channel_sums.hpp"

namespace bitsmith::trainer {

/// y = weight[c] * x + bias[c].
class Scale : public Layer {
 public:
  explicit Scale(const LayerArguments& arguments)
      : weight_(arguments.weight),
        bias_(arguments.bias),
        channels_(arguments.node.output.channels),
        pixels_(arguments.node.output.pixels()),
        weight_sums_(channels_),
        bias_sums_(channels_) {}

  void reserve(int parts, std::span<const int> samples, bool backward) override;
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;
  void finish_backward(int parts) override;

 private:
  Parameter *weight_, *bias_;
  int channels_;
  std::int64_t pixels_;
  ChannelSums weight_sums_, bias_sums_;
};

}  // namespace bitsmith::trainer
