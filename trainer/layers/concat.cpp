#include "trainer/layers/concat.hpp"

#include <algorithm>

namespace bitsmith::trainer {

Concat::Concat(const LayerArguments& arguments) : pixels_(arguments.node.output.pixels()) {
  channels_[0] = arguments.input().channels;
  channels_[1] = arguments.node.output.channels - channels_[0];
}

void Concat::forward(const ForwardPart& part) {
  const float *a = part.x[0], *b = part.x[1];
  float* y = part.y;
  for (std::int64_t p = 0; p < part.samples * pixels_; ++p, a += channels_[0], b += channels_[1]) {
    y = std::copy_n(a, channels_[0], y);
    y = std::copy_n(b, channels_[1], y);
  }
}

void Concat::backward(const BackwardPart& part) {
  const std::int64_t all = channels_[0] + channels_[1];
  for (int k = 0; k < 2; ++k) {
    float* dx = part.dx[k];
    if (dx == nullptr) continue;
    const float* dy = part.dy + (k == 0 ? 0 : channels_[0]);
    for (std::int64_t p = 0; p < part.samples * pixels_; ++p, dy += all)
      dx = std::copy_n(dy, channels_[k], dx);
  }
}

}  // namespace bitsmith::trainer
