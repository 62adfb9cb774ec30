#pragma once

#include <vector>

#include "trainer/layer.hpp"

namespace bitsmith::trainer {

/// y = x + p, p a parameter with a value for every pixel and channel: learned position embeddings.
class Position : public Layer {
 public:
  explicit Position(const LayerArguments& arguments)
      : values_(arguments.weight), elements_(arguments.node.output.elements()) {}

  void reserve(int parts, std::span<const int> samples, bool backward) override;
  std::int64_t scratch_floats(int, bool) const override { return 0; }
  Keeps keeps() const override { return {}; }
  bool forward_in_place() const override { return true; }
  GradientStyle gradient_style() const override { return GradientStyle::in_place; }
  void forward(const ForwardPart& part) override;
  void backward(const BackwardPart& part) override;
  void finish_backward(int parts) override;

 private:
  Parameter* values_;
  std::int64_t elements_;
  std::vector<std::vector<float>> sums_;  ///< of each part
};

}  // namespace bitsmith::trainer
