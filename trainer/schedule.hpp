#pragma once

#include <cstdint>
#include <vector>

#include "trainer/options.hpp"

namespace bitsmith::trainer {

/// The learning rate of every step of a training. Warm-up is linear: step s of w has rate (s+1)/w of the full
/// one. The cosine falls over what is left after the warm-up, from the full rate at its first step towards 0
/// (reached one step after the last). Steps of `step_epochs` count from the start of the training. With
/// restarts (SGDR, Loshchilov and Hutter 2017, equation 5 with a minimum of 0) such a cosine starts anew
/// after `restart_epochs` from the warm-up on, and each period is `restart_factor` times the one before.
class Schedule {
 public:
  /// Throws UserError for negative or unsorted values, and periods that are none or shrink.
  Schedule(const TrainOptions& options, std::int64_t batches_per_epoch, std::int64_t total_steps);
  double rate(std::int64_t step) const;

 private:
  double restarting(double steps) const;

  ScheduleKind kind_;
  double base_, factor_;
  double period_, period_factor_;  ///< steps of the first period; each over the one before
  std::int64_t warmup_, total_;
  std::vector<std::int64_t> drops_;
};

/// max(1, round(epochs * batches_per_epoch)); 0 for 0 epochs.
std::int64_t total_steps(const TrainOptions& options, std::int64_t batches_per_epoch);

}  // namespace bitsmith::trainer
