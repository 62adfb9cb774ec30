#include "search/finetune_evaluator.hpp"

#include <utility>

#include "quant/base/random.hpp"

namespace bitsmith::search {

CandidateRecipe short_recipe(const EvaluatorOptions& options, trainer::TrainOptions base,
                             std::int64_t batches_per_epoch) {
  CandidateRecipe recipe;
  recipe.train = std::move(base);
  recipe.train.epochs = static_cast<double>(options.finetune_steps) / static_cast<double>(batches_per_epoch);
  recipe.train.batch = options.batch;
  recipe.train.optimizer = trainer::OptimizerKind::sgd;
  recipe.train.learning_rate = options.learning_rate;
  recipe.train.schedule = trainer::ScheduleKind::cosine;
  recipe.train.warmup_epochs = 0.0;
  recipe.train.mixup = 0.0;
  recipe.train.ema = 0.0;
  recipe.train.distillation = 0.0;
  recipe.train.early_stopping = 0;
  recipe.train.checkpoint_steps = 0;
  recipe.recalibration_images = options.recalibration_images;
  recipe.validation_images = options.validation_images;
  return recipe;
}

FinetuneEvaluator::FinetuneEvaluator(CandidateTrainer& trainer, CandidateRecipe recipe,
                                     std::uint64_t run_seed, std::string fingerprint)
    : trainer_(trainer),
      recipe_(std::move(recipe)),
      run_seed_(run_seed),
      fingerprint_(std::move(fingerprint)) {}

Evaluation FinetuneEvaluator::evaluate(const quant::Policy& policy) {
  return trainer_.score(policy, recipe_, base::derive_seed(run_seed_, "finetune", policy.hash()));
}

}  // namespace bitsmith::search
