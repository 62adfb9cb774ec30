#pragma once

#include "trainer/layer.hpp"
#include "trainer/layers/channel_sums.hpp"

namespace bitsmith::trainer {

/// y = x where x >= 0, slope[c] * x elsewhere (He et al. 2015).
class Prelu : public Layer {
 public:
  explicit Prelu(const LayerArguments& arguments)
      : slope_(arguments.weight),
        channels_(arguments.node.output.channels),
        pixels_(arguments.node.output.pixels()),
        sums_(channels_) {}

  void reserve(int parts, std::span<const int>, bool backward) override {
    if (backward) sums_.reserve(parts);
  }
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {.input = true, .output = false}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;
  void finish_backward(int parts) override { sums_.total(parts, slope_->gradient); }

 private:
  Parameter* slope_;
  int channels_;
  std::int64_t pixels_;
  ChannelSums sums_;
};

}  // namespace bitsmith::trainer
