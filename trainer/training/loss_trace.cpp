#include "trainer/training/loss_trace.hpp"

namespace bitsmith::trainer {

void LossTrace::add(double loss) {
  pending += loss;
  if (++pending_steps < stride) return;
  if (points.size() == kMaxPoints) {
    for (std::size_t i = 0; i < kMaxPoints / 2; ++i) points[i] = 0.5f * (points[2 * i] + points[2 * i + 1]);
    points.resize(kMaxPoints / 2);
    stride *= 2;
    return;  // the pending steps are half a point now
  }
  points.push_back(static_cast<float>(pending / static_cast<double>(stride)));
  pending = 0.0;
  pending_steps = 0;
}

}  // namespace bitsmith::trainer
