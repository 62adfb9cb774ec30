#include "search/candidate_trainer.hpp"

#include <utility>

#include "trainer/qat/phases.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::search {

CandidateTrainer::CandidateTrainer(const trainer::Network& trained, trainer::CalibrationTable table,
                                   quant::QuantizationOptions quantization, CandidateData data)
    : trained_(trained.clone()),
      table_(std::move(table)),
      quantization_(quantization),
      data_(std::move(data)) {}

std::unique_ptr<trainer::Network> CandidateTrainer::take(Pool& idle) {
  {
    const std::lock_guard lock(mutex_);
    if (!idle.empty()) {
      auto network = std::move(idle.back());
      idle.pop_back();
      return network;
    }
  }
  return std::make_unique<trainer::Network>(trained_.clone());
}

void CandidateTrainer::give_back(std::unique_ptr<trainer::Network> network, Pool& idle) {
  const std::lock_guard lock(mutex_);
  idle.push_back(std::move(network));
}

std::vector<trainer::EpochRecord> CandidateTrainer::train(trainer::Network& network,
                                                          const quant::Policy& policy,
                                                          const CandidateRecipe& recipe, std::uint64_t seed,
                                                          bool judge_epochs, bool& frozen) {
  network.set_shards(recipe.train.shards);
  const auto source = data_.training(recipe.train.batch, seed);
  const trainer::QatPhases phases(policy, table_, quantization_, source->batches_per_epoch());
  trainer::TrainHooks hooks;
  hooks.before_step = [&](std::int64_t step) { phases.enter(network, step); };
  hooks.note = data_.note;
  std::unique_ptr<trainer::BatchSource> validation;
  if (judge_epochs || recipe.train.early_stopping > 0) {
    validation = data_.validation(recipe.validation_images);
    hooks.validate = [&] { return trainer::evaluate(network, *validation); };
  }
  std::unique_ptr<trainer::Network> teacher;
  if (recipe.train.distillation > 0) {
    teacher = take(idle_teachers_);
    trainer::remove_quantization(*teacher);
    teacher->set_shards(recipe.train.shards);
    hooks.teacher = teacher.get();
  }
  trainer::TrainState state = trainer::train(network, *source, recipe.train, hooks);
  frozen = phases.frozen_at(state.step);
  phases.leave(network);
  if (teacher) give_back(std::move(teacher), idle_teachers_);
  return std::move(state.curve);
}

Evaluation CandidateTrainer::score(const quant::Policy& policy, const CandidateRecipe& recipe,
                                   std::uint64_t seed, KeptCandidate* keep) {
  auto network = take(idle_);
  network->copy_state_from(trained_);
  network->set_arithmetic(recipe.train.arithmetic);
  trainer::apply_policy(*network, policy, table_, quantization_);
  std::vector<trainer::EpochRecord> curve;
  bool frozen = quantization_.batch_norm == quant::QatBatchNorm::frozen;
  if (recipe.train.epochs > 0) curve = train(*network, policy, recipe, seed, keep != nullptr, frozen);
  if (recipe.recalibration_images > 0 && !frozen)
    trainer::recalibrate_batch_norm(*network, *data_.recalibration(), recipe.recalibration_images);
  const auto result = trainer::evaluate(*network, *data_.validation(recipe.validation_images));
  if (keep != nullptr) *keep = {std::make_unique<trainer::Network>(network->clone()), std::move(curve)};
  give_back(std::move(network), idle_);
  return {result.accuracy, result.cross_entropy};
}

}  // namespace bitsmith::search
