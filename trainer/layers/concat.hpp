#pragma once

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// The channels of a, then those of b.
class Concat : public Layer {
 public:
  explicit Concat(const LayerArguments& arguments);

  void reserve(int, std::span<const int>, bool) override {}
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {}; }
  bool forward_in_place() const override { return false; }
  GradientStyle gradient_style() const override { return GradientStyle::writes_each; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;

 private:
  int channels_[2];
  std::int64_t pixels_;
};

}  // namespace bitsmith::trainer
