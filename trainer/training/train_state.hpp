#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "trainer/optimizer.hpp"
#include "trainer/training/divergence.hpp"
#include "trainer/training/early_stopping.hpp"
#include "trainer/training/loss_trace.hpp"
#include "trainer/training/network_numbers.hpp"
#include "trainer/training/weight_average.hpp"

namespace bitsmith::trainer {

/// What is known after an epoch; NaN where it was not measured.
struct EpochRecord {
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  double epoch = 0.0;                 ///< epochs done
  double learning_rate = kUnknown;    ///< of its last step
  double loss = kUnknown;             ///< mean over its steps, of what was minimised
  double accuracy = kUnknown;         ///< on its training images, as they were seen
  double validation_loss = kUnknown;  ///< cross-entropy, of the weights that count
  double validation_accuracy = kUnknown;
};

/// What the present epoch has summed up so far.
struct EpochSums {
  double loss = 0.0, correct = 0.0;
  std::int64_t steps = 0, images = 0;
};

/// Where a training goes back to when it diverges: the start of its epoch.
struct LastGood {
  std::int64_t step = -1;  ///< -1: where the training stands now
  NetworkNumbers numbers;
  OptimizerState optimizer;
  AverageState average;
  LossTrace trace;
};

/// Where a training stands, between any two steps: with the network's parameters, buffers and quantization,
/// all that a checkpoint needs. (Randomness is in the batch source, a function of its seed and the step.)
struct TrainState {
  std::int64_t step = 0;   ///< steps done; the next batch is source.fill(step)
  std::int64_t total = 0;  ///< steps in all
  bool finished = false;   ///< after the last step, or early stopping: the network is the result
  double epoch = 0.0;      ///< step / batches per epoch, at the end of the last epoch
  double loss = 0.0;       ///< mean over the epoch that ended last
  OptimizerState optimizer;
  EpochSums sums;
  AverageState average;
  StoppingState stopping;
  NetworkNumbers best;  ///< with early stopping: the weights of stopping.best
  LossWatch watch;
  LastGood last_good;
  int rollbacks = 0;
  double rate_factor = 1.0;  ///< of the schedule's rates, lowered by rollbacks
  std::vector<EpochRecord> curve;
  LossTrace trace;
};

/// How far a training is, without what going on would need: for checkpoints of weights to be used.
inline TrainState position_of(const TrainState& state) {
  TrainState position;
  position.step = state.step;
  position.total = state.total;
  position.epoch = state.epoch;
  position.loss = state.loss;
  return position;
}

}  // namespace bitsmith::trainer
