#pragma once

#include <cstdint>
#include <vector>

namespace bitsmith::trainer {

/// The loss of every step of a training in bounded memory: when there are too many points, neighbours become
/// one, their mean. Rolls and resumes with the training, a function of the losses alone.
struct LossTrace {
  static constexpr std::size_t kMaxPoints = 4096;

  std::int64_t stride = 1;    ///< steps per point
  std::vector<float> points;  ///< mean losses of `stride` steps each
  double pending = 0.0;       ///< sum over the steps after the last point
  std::int64_t pending_steps = 0;

  void add(double loss);
};

}  // namespace bitsmith::trainer
