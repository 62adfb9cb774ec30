#pragma once

#include <cstdint>
#include <string>

#include "search/candidate_trainer.hpp"
#include "search/evaluator.hpp"
#include "search/options.hpp"

namespace bitsmith::search {

/// The recipe of the short evaluation: `finetune_steps` optimiser steps, cosine from `learning_rate`, over a
/// pass of `batches_per_epoch` batches, otherwise as `base` but without mixup, averaged weights, distillation
/// and early stopping: so few steps are for the weights to settle, not to learn.
CandidateRecipe short_recipe(const EvaluatorOptions& options, trainer::TrainOptions base,
                             std::int64_t batches_per_epoch);

/// The built-in evaluator: calibrate, fine-tune for a few steps, re-calibrate batch norm, validate.
class FinetuneEvaluator final : public AccuracyEvaluator {
 public:
  /// `trainer` must outlive the evaluator. `fingerprint` covers weights, data and settings.
  FinetuneEvaluator(CandidateTrainer& trainer, CandidateRecipe recipe, std::uint64_t run_seed,
                    std::string fingerprint);

  Evaluation evaluate(const quant::Policy& policy) override;
  std::string fingerprint() const override { return fingerprint_; }

 private:
  CandidateTrainer& trainer_;
  CandidateRecipe recipe_;
  std::uint64_t run_seed_;
  std::string fingerprint_;
};

}  // namespace bitsmith::search
