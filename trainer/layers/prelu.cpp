#include "trainer/layers/prelu.hpp"

#include "quant/kernels/function_kernels.hpp"

namespace bitsmith::trainer {

void Prelu::forward(const ForwardPart& part) {
  quant::function_kernels().prelu(part.x[0], slope_->value.data(), part.samples * pixels_, channels_, part.y);
}

void Prelu::backward(const BackwardPart& part) {
  double* sums = sums_.of(part.part, part.first);
  const float *x = part.x[0], *dy = part.dy, *slope = slope_->value.data();
  float* dx = part.dx[0];
  for (std::int64_t p = 0; p < part.samples * pixels_; ++p, x += channels_, dy += channels_) {
    for (int c = 0; c < channels_; ++c) sums[c] += x[c] < 0.0f ? static_cast<double>(x[c] * dy[c]) : 0.0;
    if (dx == nullptr) continue;
    for (int c = 0; c < channels_; ++c) dx[c] = x[c] < 0.0f ? slope[c] * dy[c] : dy[c];
    dx += channels_;
  }
}

}  // namespace bitsmith::trainer
