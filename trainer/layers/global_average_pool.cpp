#include "trainer/layers/global_average_pool.hpp"

#include <algorithm>

namespace bitsmith::trainer {

void GlobalAveragePool::forward(const ForwardPart& part) {
  const float share = 1.0f / static_cast<float>(pixels_);
  const float* x = part.x[0];
  for (int n = 0; n < part.samples; ++n) {
    float* y = part.y + std::int64_t{n} * channels_;
    std::fill_n(y, channels_, 0.0f);
    for (int p = 0; p < pixels_; ++p, x += channels_)
      for (int c = 0; c < channels_; ++c) y[c] += x[c];
    for (int c = 0; c < channels_; ++c) y[c] *= share;
  }
}

void GlobalAveragePool::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  const float share = 1.0f / static_cast<float>(pixels_);
  float* dx = part.dx[0];
  for (int n = 0; n < part.samples; ++n) {
    const float* dy = part.dy + std::int64_t{n} * channels_;
    for (int p = 0; p < pixels_; ++p, dx += channels_)
      for (int c = 0; c < channels_; ++c) dx[c] = dy[c] * share;
  }
}

}  // namespace bitsmith::trainer
