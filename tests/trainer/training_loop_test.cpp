#include "trainer/training_loop.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "quant/base/error.hpp"
#include "tests/trainer/small_data.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/tensor_source.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

constexpr quant::Shape kShape{1, 8, 8};
constexpr int kClasses = 3, kBatch = 16;

TrainOptions short_training(double epochs) {
  TrainOptions options;
  options.epochs = epochs;
  options.batch = kBatch;
  options.learning_rate = 0.05;
  return options;
}

bool says(const base::UserError& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(training_loop)

BOOST_AUTO_TEST_CASE(every_built_in_network_learns_a_small_set_with_either_optimizer) {
  for (const auto& row : network_rows()) {
    const int size = row.has_width ? 16 : std::max(8, row.min_size);
    const quant::Shape shape{1, size, size};
    const auto data = test::make_small_data(96, shape, kClasses, 1);
    const auto fresh = test::make_small_data(60, shape, kClasses, 2);
    TensorSource source(data.images, data.labels, kClasses, kBatch),
        unseen(fresh.images, fresh.labels, kClasses, 25);
    for (OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam}) {
      Network network(build_network(row.name, shape, kClasses, {.width = row.has_width ? 0.25 : 1.0}), 1);
      TrainOptions options = short_training(row.has_width ? 16 : 6);
      options.optimizer = kind;
      options.learning_rate = kind == OptimizerKind::sgd ? 0.05 : 0.003;
      double first = -1.0;
      TrainHooks hooks;
      hooks.after_step = [&](std::int64_t step, double loss) { first = step == 1 ? loss : first; };
      const TrainState state = train(network, source, options, hooks);
      // Deep, and a quarter as wide: 96 images teach them less.
      const double least = row.has_width ? 0.6 : 0.8;
      BOOST_TEST_CONTEXT(row.name) {
        BOOST_TEST(state.loss < 0.5 * first);
        BOOST_TEST(evaluate(network, unseen).accuracy > least);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_training_that_is_stopped_and_resumed_ends_with_the_same_weights) {
  const auto data = test::make_small_data(64, kShape, kClasses, 1);
  TensorSource source(data.images, data.labels, kClasses, kBatch);
  const auto info = build_network("resnet8", kShape, kClasses);
  Network straight(info, 1), resumed(info, 1), stopped(info, 1);
  train(straight, source, short_training(3));

  TrainState saved;
  TrainHooks hooks;
  hooks.after_epoch = [&](const TrainState& state) {
    if (state.epoch != 1.0) return;
    saved = state;
    resumed.copy_state_from(stopped);
  };
  train(stopped, source, short_training(3), hooks);
  train(resumed, source, short_training(3), {}, saved);
  for (std::size_t i = 0; i < straight.parameters().size(); ++i)
    BOOST_TEST((straight.parameters()[i].value == resumed.parameters()[i].value));
  for (std::size_t i = 0; i < straight.buffers().size(); ++i)
    BOOST_TEST((straight.buffers()[i].value == resumed.buffers()[i].value));
}

BOOST_AUTO_TEST_CASE(hooks_hear_of_every_epoch_and_of_a_last_part_of_one) {
  const auto data = test::make_small_data(64, kShape, kClasses, 1);
  TensorSource source(data.images, data.labels, kClasses, kBatch);
  Network network(build_network("resnet8", kShape, kClasses), 1);
  std::vector<double> epochs, reported;
  TrainHooks hooks;
  hooks.after_epoch = [&](const TrainState& state) { epochs.push_back(state.epoch); };
  hooks.progress = [&](std::string_view unit, double done, double total, std::string_view note) {
    BOOST_TEST(unit == "epoch");
    BOOST_TEST(total == 1.5);
    BOOST_TEST(note.substr(0, 5) == "loss ");
    reported.push_back(done);
  };
  const TrainState state = train(network, source, short_training(1.5), hooks);
  BOOST_TEST(epochs == (std::vector<double>{1.0, 1.5}), boost::test_tools::per_element());
  BOOST_TEST(reported == epochs, boost::test_tools::per_element());
  BOOST_TEST(state.step == 6);
}

BOOST_AUTO_TEST_CASE(a_pixel_that_is_not_finite_is_named_with_its_step) {
  auto data = test::make_small_data(64, kShape, kClasses, 1);
  data.images.sample(40)[3] = std::numeric_limits<float>::quiet_NaN();
  TensorSource source(data.images, data.labels, kClasses, kBatch);
  Network network(build_network("resnet8", kShape, kClasses), 1);
  BOOST_CHECK_EXCEPTION(train(network, source, short_training(1)), base::UserError, [](const auto& e) {
    return says(e, "diverged") && says(e, "step 2") && says(e, "image 8 of the batch");
  });
}

BOOST_AUTO_TEST_CASE(data_that_does_not_fit_the_network_is_refused_before_training) {
  const auto data = test::make_small_data(20, kShape, kClasses, 1);
  TensorSource source(data.images, data.labels, kClasses, kBatch);
  Network other_shape(build_network("resnet8", {3, 8, 8}, kClasses), 1),
      too_few(build_network("resnet8", kShape, 2), 1);
  BOOST_CHECK_EXCEPTION(train(other_shape, source, short_training(1)), base::UserError,
                        [](const auto& e) { return says(e, "1x8x8") && says(e, "3x8x8"); });
  BOOST_CHECK_EXCEPTION(evaluate(too_few, source), base::UserError,
                        [](const auto& e) { return says(e, "3 classes"); });
}

BOOST_AUTO_TEST_CASE(evaluation_counts_every_image_once_whatever_the_batch) {
  const auto data = test::make_small_data(50, kShape, kClasses, 1);
  Network network(build_network("cnn_small", kShape, kClasses), 1);
  TensorSource small(data.images, data.labels, kClasses, 7), large(data.images, data.labels, kClasses, 50);
  const EvaluationResult a = evaluate(network, small), b = evaluate(network, large);
  BOOST_TEST(a.images == 50);
  BOOST_TEST(a.accuracy == b.accuracy);
  BOOST_TEST(a.cross_entropy == b.cross_entropy, boost::test_tools::tolerance(1e-5));
}

BOOST_AUTO_TEST_SUITE_END()
