#include "search/candidate_trainer.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>

#include "quant/base/parallel.hpp"
#include "search/finetune_evaluator.hpp"
#include "tests/trainer/training/trainings.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::search;
using trainer::EvaluationSource;

constexpr quant::Shape kShape{1, 6, 6};

struct Fixture {
  trainer::DataPart part = trainer::test::bright_part(kShape, 60, 1);
  trainer::DataPart held_out = trainer::test::bright_part(kShape, 30, 2);
  trainer::Network trained{trainer::test::conv_info(kShape), 1};
  quant::QuantizationOptions quantization;
  CandidateRecipe recipe;
  KeptCandidate kept;

  Fixture() {
    quantization.calibration_images = 16;
    recipe.train.batch = 8;
    recipe.train.epochs = 2;
    recipe.train.learning_rate = 0.02;
    recipe.recalibration_images = 20;
  }
  CandidateTrainer candidates() {
    CandidateData data;
    data.training = [this](int batch, std::uint64_t seed) -> std::unique_ptr<trainer::BatchSource> {
      return std::make_unique<trainer::TrainingSource>(part, trainer::Augmentation{}, batch, seed);
    };
    data.recalibration = [this]() -> std::unique_ptr<trainer::BatchSource> {
      return std::make_unique<EvaluationSource>(part, 10);
    };
    data.validation = [this](int images) -> std::unique_ptr<trainer::BatchSource> {
      return std::make_unique<EvaluationSource>(held_out, 10, images);
    };
    EvaluationSource images(part, 16);
    return {trained, trainer::calibrate(trained, images, quantization), quantization, std::move(data)};
  }
};

const quant::Policy kPolicy{{{4, 8}, {8, 8}}};
}  // namespace

BOOST_FIXTURE_TEST_SUITE(candidate_training, Fixture)

BOOST_AUTO_TEST_CASE(distillation_has_the_trained_network_as_its_teacher) {
  CandidateTrainer trainer = candidates();
  // From its teacher alone a candidate learns to answer like it, whatever the labels are.
  recipe.train.distillation = 1.0;
  recipe.train.epochs = 8;
  trainer.score(kPolicy, recipe, 1, &kept);
  EvaluationSource images(held_out, 30);
  trainer::Tensor batch, own;
  std::vector<int> labels;
  images.fill(0, batch, labels);
  own.copy_from(kept.network->forward(batch, trainer::Mode::evaluate));
  const trainer::Tensor& teacher = trained.forward(batch, trainer::Mode::evaluate);
  double distance = 0.0;
  for (std::int64_t i = 0; i < own.elements(); ++i)
    distance += std::abs(static_cast<double>(own.data()[i] - teacher.data()[i])) / 90.0;
  BOOST_TEST(distance < 0.1);
  BOOST_TEST_REQUIRE(kept.curve.size() == 8u);
  BOOST_TEST(std::isfinite(kept.curve.back().validation_accuracy));

  recipe.train.distillation = 0.0;  // labels alone lead it away from an untrained teacher
  trainer.score(kPolicy, recipe, 1, &kept);
  const trainer::Tensor& other = kept.network->forward(batch, trainer::Mode::evaluate);
  double away = 0.0;
  for (std::int64_t i = 0; i < own.elements(); ++i)
    away += std::abs(static_cast<double>(other.data()[i] - teacher.data()[i])) / 90.0;
  BOOST_TEST(away > 3 * distance);
}

BOOST_AUTO_TEST_CASE(scores_are_the_same_in_parallel_with_a_teacher_each) {
  CandidateTrainer trainer = candidates();
  recipe.train.distillation = 0.5;
  recipe.train.early_stopping = 1;
  recipe.train.ema = 0.9;
  const Evaluation alone = trainer.score(kPolicy, recipe, 1);
  std::vector<Evaluation> scores(6);
  base::set_thread_count(3);
  base::parallel_for(6, [&](int i) {
    const base::Sequential sequential;
    scores[static_cast<std::size_t>(i)] = trainer.score(kPolicy, recipe, 1);
  });
  base::set_thread_count(0);
  for (const Evaluation& score : scores) BOOST_TEST(score.cross_entropy == alone.cross_entropy);
}

BOOST_AUTO_TEST_CASE(the_short_recipe_leaves_out_what_is_for_long_trainings) {
  trainer::TrainOptions base;
  base.ema = 0.9;
  base.mixup = 0.3;
  base.early_stopping = 3;
  base.clip_norm = 2.0;
  const CandidateRecipe little = short_recipe({}, base, 10);
  BOOST_TEST(little.train.ema == 0.0);
  BOOST_TEST(little.train.mixup == 0.0);
  BOOST_TEST(little.train.early_stopping == 0);
  BOOST_TEST(little.train.clip_norm == 2.0);
}

BOOST_AUTO_TEST_SUITE_END()
