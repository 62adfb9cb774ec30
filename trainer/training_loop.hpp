#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "quant/base/progress.hpp"
#include "trainer/batch_source.hpp"
#include "trainer/evaluation.hpp"
#include "trainer/network.hpp"
#include "trainer/options.hpp"
#include "trainer/training/train_state.hpp"

namespace bitsmith::trainer {

/// What a training is given beside options, and whom it tells. Any of these may be empty.
struct TrainHooks {
  base::Progress progress = base::no_progress;  ///< unit "epoch", after each one
  /// Judges the network as it then is: called after each epoch, with the weights that count (the averaged
  /// ones, if any). Early stopping needs it.
  std::function<EvaluationResult()> validate;
  /// The network holds the best weights so far, by `validate`.
  std::function<void(const TrainState&)> after_best;
  /// After each epoch and after the last step, before `save`.
  std::function<void(const TrainState&)> after_epoch;
  /// A checkpoint is due: every options.checkpoint_steps, after each epoch, at the end. The network holds
  /// what the training goes on with, or, when it is finished, its result.
  std::function<void(const TrainState&)> save;
  /// Before each step, also where a training that went back takes it again: may change the network's
  /// quantization.
  std::function<void(std::int64_t step)> before_step;
  std::function<void(std::int64_t step, double loss)> after_step;
  std::function<void(std::string_view fact)> note;  ///< a rollback, a stop
  Network* teacher = nullptr;                       ///< for distillation
};

/// Trains for options.epochs, from `start` on (the default is the very beginning); what a training stopped
/// between any two steps and resumed from its TrainState makes is, bit for bit, what one never stopped would
/// have. At the end the network has the best weights (early stopping), the averaged ones (ema), or the last
/// ones. The next batch is prepared on a thread of its own (PrefetchingSource), so `source` belongs to the
/// training until it ends.
///
/// A step whose loss, gradient or weights are not finite, or whose loss explodes (divergence.hpp), is undone:
/// once, the training goes back to the start of its epoch with all further rates times
/// options.rollback_factor. Throws UserError the next time (names step, rate, what was not finite, and what
/// to change), and when shapes do not fit.
TrainState train(Network& network, BatchSource& source, const TrainOptions& options,
                 const TrainHooks& hooks = {}, TrainState start = {});

}  // namespace bitsmith::trainer
