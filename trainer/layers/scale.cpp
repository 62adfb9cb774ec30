#include "trainer/layers/scale.hpp"

namespace bitsmith::trainer {

void Scale::reserve(int parts, std::span<const int>, bool backward) {
  if (!backward) return;
  weight_sums_.reserve(parts);
  bias_sums_.reserve(parts);
}

void Scale::forward(const ForwardPart& part) {
  const float *x = part.x[0], *weight = weight_->value.data(), *bias = bias_->value.data();
  float* y = part.y;
  for (std::int64_t p = 0; p < part.samples * pixels_; ++p, x += channels_, y += channels_)
    for (int c = 0; c < channels_; ++c) y[c] = weight[c] * x[c] + bias[c];
}

void Scale::backward(const BackwardPart& part) {
  double* weights = weight_sums_.of(part.part, part.first);
  double* biases = bias_sums_.of(part.part, part.first);
  const float *x = part.x[0], *dy = part.dy, *weight = weight_->value.data();
  float* dx = part.dx[0];
  for (std::int64_t p = 0; p < part.samples * pixels_; ++p, x += channels_, dy += channels_) {
    for (int c = 0; c < channels_; ++c) {
      weights[c] += static_cast<double>(dy[c] * x[c]);
      biases[c] += static_cast<double>(dy[c]);
    }
    if (dx == nullptr) continue;
    for (int c = 0; c < channels_; ++c) dx[c] = weight[c] * dy[c];
    dx += channels_;
  }
}

void Scale::finish_backward(int parts) {
  weight_sums_.total(parts, weight_->gradient);
  bias_sums_.total(parts, bias_->gradient);
}

}  // namespace bitsmith::trainer
