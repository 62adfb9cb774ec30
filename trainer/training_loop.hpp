#pragma once

#include <cstdint>
#include <functional>

#include "quant/base/progress.hpp"
#include "trainer/batch_source.hpp"
#include "trainer/network.hpp"
#include "trainer/optimizer.hpp"
#include "trainer/options.hpp"

namespace bitsmith::trainer {

/// Where a training stands: with the network's parameters and buffers, all that a checkpoint needs.
/// (Randomness is in the batch source, a function of its seed and the step.)
struct TrainState {
  std::int64_t step = 0;   ///< steps done; the next batch is source.fill(step)
  std::int64_t total = 0;  ///< steps in all
  double epoch = 0.0;      ///< step / batches per epoch
  double loss = 0.0;       ///< mean over the epoch that just ended
  OptimizerState optimizer;
};

struct TrainHooks {
  base::Progress progress = base::no_progress;  ///< unit "epoch", after each one
  /// After each epoch and after the last step: the place to write checkpoints. May be empty.
  std::function<void(const TrainState&)> after_epoch;
  std::function<void(std::int64_t step, double loss)> after_step;  ///< may be empty
};

/// Trains for options.epochs, from `start` on (its `step` and `optimizer`; the default is the very
/// beginning). Throws UserError when the loss is not finite (names the step and what to change) or shapes do
/// not fit.
TrainState train(Network& network, BatchSource& source, const TrainOptions& options,
                 const TrainHooks& hooks = {}, TrainState start = {});

struct EvaluationResult {
  double accuracy = 0.0;       ///< share of right answers, 0..1
  double cross_entropy = 0.0;  ///< mean, natural logarithm
  std::int64_t images = 0;
};

/// One pass over the source: `logits_of` gives the logits of each batch, alive until its next call. Throws
/// UserError if there are no images.
EvaluationResult evaluate_logits(BatchSource& source,
                                 const std::function<const Tensor&(const Tensor& images)>& logits_of);

/// One pass over the source in evaluate mode; where IntegerEvaluation serves the network, in the integers
/// that will be deployed.
EvaluationResult evaluate(Network& network, BatchSource& source);

}  // namespace bitsmith::trainer
