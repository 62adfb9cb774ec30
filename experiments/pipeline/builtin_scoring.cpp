#include <filesystem>
#include <optional>
#include <utility>

#include "experiments/config/dump.hpp"
#include "experiments/pipeline/scoring.hpp"
#include "experiments/pipeline/training.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/random.hpp"
#include "search/finetune_evaluator.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::experiments {
namespace {

constexpr int kEvaluationBatch = 250;

search::CandidateData candidate_data(const Config& config, const trainer::Data& data,
                                     const Reporter& reporter) {
  search::CandidateData views;
  views.training = [&data](int batch, std::uint64_t seed) -> std::unique_ptr<trainer::BatchSource> {
    return std::make_unique<trainer::TrainingSource>(data.train(), data.augmentation(), batch, seed);
  };
  views.recalibration = [&data,
                         batch = config.evaluator.builtin.batch]() -> std::unique_ptr<trainer::BatchSource> {
    return std::make_unique<trainer::EvaluationSource>(data.train(), batch);
  };
  views.validation = [&data](int images) -> std::unique_ptr<trainer::BatchSource> {
    return std::make_unique<trainer::EvaluationSource>(data.validation(), kEvaluationBatch, images);
  };
  views.note = reporter.note;
  return views;
}

search::CandidateTrainer make_candidates(const Config& config, const trainer::Data& data,
                                         trainer::Network& trained, const Reporter& reporter) {
  trainer::EvaluationSource images(data.train(), kEvaluationBatch);
  return {trained, trainer::calibrate(trained, images, config.quantization), config.quantization,
          candidate_data(config, data, reporter)};
}

class BuiltinScoring final : public Scoring {
 public:
  BuiltinScoring(const Config& config, const trainer::Data& data, trainer::Network& trained,
                 const Workspace& workspace, const Reporter& reporter)
      : config_(config),
        data_(data),
        trained_(trained),
        workspace_(workspace),
        seed_(static_cast<std::uint64_t>(config.seed)),
        candidates_(make_candidates(config, data, trained, reporter)),
        short_recipe_(search::short_recipe(
            config.evaluator.builtin, config.train,
            std::max<std::int64_t>(1, data.train().images() / config.evaluator.builtin.batch))),
        evaluator_(candidates_, short_recipe_, seed_, make_fingerprint()) {
    short_recipe_.train.arithmetic = config.finetune.arithmetic;
    long_recipe_.train = config.finetune;
    long_recipe_.recalibration_images = config.evaluator.builtin.recalibration_images;
  }

  search::Evaluation fp32() override {
    trainer::EvaluationSource images(data_.validation(), kEvaluationBatch,
                                     config_.evaluator.builtin.validation_images);
    const auto result = trainer::evaluate(trained_, images);
    return {result.accuracy, result.cross_entropy};
  }

  search::AccuracyEvaluator& short_evaluator() override { return evaluator_; }

  search::Evaluation fresh(const quant::Policy& policy) override {
    search::CandidateRecipe recipe = short_recipe_;
    recipe.validation_images = 0;
    return candidates_.score(policy, recipe, base::derive_seed(seed_, "finalist", policy.hash()));
  }

  search::Evaluation long_finetuned(const quant::Policy& policy) override {
    const auto file = workspace_.final_network(policy.hash());
    if (std::filesystem::exists(file)) return score_on(load(policy), data_.validation());
    search::KeptCandidate final;
    const auto result =
        candidates_.score(policy, long_recipe_, base::derive_seed(seed_, "final", policy.hash()), &final);
    trainer::TrainState state;
    state.curve = std::move(final.curve);
    trainer::save_checkpoint(file, *final.network, {std::move(state), seed_, evaluator_.fingerprint()});
    return result;
  }

  std::vector<TrainingPoint> finetuning(const quant::Policy& policy) override {
    std::vector<TrainingPoint> curve;
    for (const trainer::EpochRecord& record : trainer::load_curve(workspace_.final_network(policy.hash())))
      curve.push_back(training_point(record));
    return curve;
  }

  double test(const quant::Policy& policy) override {
    if (!test_) test_.emplace(data_.load_test());
    return score_on(load(policy), *test_).accuracy;
  }

 private:
  std::string make_fingerprint() const {
    constexpr std::string_view keys[] = {"seed",         "network",   "data",    "train",
                                         "quantization", "evaluator", "finetune"};
    base::Hasher hasher;
    hasher.add(config_identity(config_, keys));
    hasher.add(data_.hash());
    hasher.add(weights_hash(trained_));
    return hasher.hex();
  }

  trainer::Network load(const quant::Policy& policy) const {
    trainer::Network network = trained_.clone();
    trainer::load_checkpoint(workspace_.final_network(policy.hash()), network, evaluator_.fingerprint());
    return network;
  }

  static search::Evaluation score_on(trainer::Network&& network, const trainer::DataPart& part) {
    return score_on(network, part);
  }
  static search::Evaluation score_on(trainer::Network& network, const trainer::DataPart& part) {
    trainer::EvaluationSource images(part, kEvaluationBatch);
    const auto result = trainer::evaluate(network, images);
    return {result.accuracy, result.cross_entropy};
  }

  const Config& config_;
  const trainer::Data& data_;
  trainer::Network& trained_;
  const Workspace& workspace_;
  std::uint64_t seed_;
  search::CandidateTrainer candidates_;
  search::CandidateRecipe short_recipe_, long_recipe_;
  search::FinetuneEvaluator evaluator_;
  std::optional<trainer::DataPart> test_;
};

}  // namespace

std::unique_ptr<Scoring> make_builtin_scoring(const Config& config, const trainer::Data& data,
                                              trainer::Network& trained, const Workspace& workspace,
                                              const Reporter& reporter) {
  return std::make_unique<BuiltinScoring>(config, data, trained, workspace, reporter);
}

}  // namespace bitsmith::experiments
