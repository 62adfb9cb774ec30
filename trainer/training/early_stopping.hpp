#pragma once

#include "trainer/options.hpp"

namespace bitsmith::trainer {

struct EvaluationResult;

/// What early stopping has seen.
struct StoppingState {
  bool any = false;         ///< whether there was an evaluation
  double best = 0.0;        ///< accuracy, or minus the loss
  double best_epoch = 0.0;  ///< after which it was seen
  int waited = 0;           ///< evaluations since
};

/// Takes one more evaluation; whether it is the best so far, by more than options.min_improvement.
bool improves(StoppingState& state, const EvaluationResult& result, double epoch,
              const TrainOptions& options);

/// Whether options.early_stopping evaluations have passed without improvement.
bool should_stop(const StoppingState& state, const TrainOptions& options);

}  // namespace bitsmith::trainer
