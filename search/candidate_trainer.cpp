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

std::unique_ptr<trainer::Network> CandidateTrainer::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto network = std::move(idle_.back());
      idle_.pop_back();
      return network;
    }
  }
  return std::make_unique<trainer::Network>(trained_.clone());
}

void CandidateTrainer::give_back(std::unique_ptr<trainer::Network> network) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(network));
}

Evaluation CandidateTrainer::score(const quant::Policy& policy, const CandidateRecipe& recipe,
                                   std::uint64_t seed, std::unique_ptr<trainer::Network>* keep) {
  auto network = take();
  network->copy_state_from(trained_);
  network->set_arithmetic(recipe.train.arithmetic);
  trainer::apply_policy(*network, policy, table_, quantization_);
  bool frozen = quantization_.batch_norm == quant::QatBatchNorm::frozen;
  if (recipe.train.epochs > 0) {
    network->set_shards(recipe.train.shards);
    const auto source = data_.training(recipe.train.batch, seed);
    const trainer::QatPhases phases(policy, table_, quantization_, source->batches_per_epoch());
    phases.enter(*network, 0);
    trainer::TrainHooks hooks;
    hooks.after_step = [&](std::int64_t step, double) { phases.enter(*network, step); };
    const trainer::TrainState end = trainer::train(*network, *source, recipe.train, hooks);
    frozen = phases.frozen_at(end.step);
    phases.leave(*network);
  }
  if (recipe.recalibration_images > 0 && !frozen)
    trainer::recalibrate_batch_norm(*network, *data_.recalibration(), recipe.recalibration_images);
  const auto result = trainer::evaluate(*network, *data_.validation(recipe.validation_images));
  if (keep != nullptr) *keep = std::make_unique<trainer::Network>(network->clone());
  give_back(std::move(network));
  return {result.accuracy, result.cross_entropy};
}

}  // namespace bitsmith::search
