#include "trainer/training/early_stopping.hpp"

#include "trainer/evaluation.hpp"

namespace bitsmith::trainer {

bool improves(StoppingState& state, const EvaluationResult& result, double epoch,
              const TrainOptions& options) {
  const double score = options.stop_metric == StopMetric::accuracy ? result.accuracy : -result.cross_entropy;
  if (state.any && !(score > state.best + options.min_improvement)) {
    ++state.waited;
    return false;
  }
  state = {true, score, epoch, 0};
  return true;
}

bool should_stop(const StoppingState& state, const TrainOptions& options) {
  return options.early_stopping > 0 && state.waited >= options.early_stopping;
}

}  // namespace bitsmith::trainer
