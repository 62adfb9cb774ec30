#include "trainer/training/divergence.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/training/trainings.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;
using base::UserError;
using tests::message_has;

constexpr quant::Shape kShape{1, 6, 6};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TrainOptions options_of(double rate) {
  TrainOptions options;
  options.epochs = 4;
  options.batch = 8;
  options.shards = 2;
  options.learning_rate = rate;
  return options;
}

struct Run {
  TrainState train(const TrainOptions& options) { return trainer::train(network, source, options, hooks); }

  DataPart part = bright_part(kShape, 50, 1);
  Network network{conv_info(kShape), 1};
  TrainingSource source{part, {1, true}, 8, 1};
  TrainHooks hooks;
};
}  // namespace

BOOST_AUTO_TEST_SUITE(divergence)

BOOST_AUTO_TEST_CASE(a_loss_explodes_when_it_is_far_above_its_best_and_above_guessing) {
  LossWatch watch;
  for (int i = 0; i < 50; ++i) BOOST_TEST(!explodes(watch, 2.3 - 0.04 * i, 10));
  BOOST_TEST(!explodes(watch, 30.0, 10));  // one bad batch is none
  int step = 0;
  while (step < 100 && !explodes(watch, 30.0, 10)) ++step;
  BOOST_TEST(step < 20);
  LossWatch high;  // a network that starts badly, as with 2 bits, and learns
  for (int i = 0; i < 50; ++i) BOOST_TEST(!explodes(high, 20.0 - 0.3 * i, 10));
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_named) {
  Run run;
  Tensor images;
  std::vector<int> labels;
  run.source.fill(0, images, labels);
  BOOST_TEST(first_not_finite(run.network, images, false) == "");
  run.network.find_parameter("fc.weight")->value[3] = kNan;
  BOOST_TEST(first_not_finite(run.network, images, false) == "'fc.weight'");
  run.network.find_parameter("conv1.weight")->value[3] = kNan;
  BOOST_TEST(first_not_finite(run.network, images, false) == "'conv1.weight'");
  images.sample(5)[0] = kNan;
  BOOST_TEST(first_not_finite(run.network, images, false) == "image 5 of the batch");
}

BOOST_AUTO_TEST_CASE(a_gradient_that_is_not_finite_is_named_nearest_to_the_loss) {
  Run run;
  Tensor images;
  std::vector<int> labels;
  run.source.fill(0, images, labels);
  run.network.forward(images, Mode::evaluate);
  run.network.find_parameter("conv1.weight")->gradient[0] = kNan;
  run.network.find_parameter("bn1.weight")->gradient[0] = kNan;
  BOOST_TEST(first_not_finite(run.network, images, true) == "the gradient of 'bn1.weight'");
  BOOST_TEST(first_not_finite(run.network, images, false) == "");
}

BOOST_AUTO_TEST_CASE(an_activation_that_overflows_is_named_by_what_it_enters) {
  quant::NetworkBuilder net("plain", kShape);
  int x = net.linear("first", net.flatten("flat", net.input()), 4);
  net.linear("second", net.relu("relu", x), 3);
  Network network(std::move(net).build(), 1);
  for (float& w : network.find_parameter("first.weight")->value) w = 3e38f;
  Tensor images(2, kShape);
  images.fill(2.0f);
  BOOST_TEST(first_not_finite(network, images, false) == "the input of layer 'second'");
}

BOOST_AUTO_TEST_CASE(the_largest_parameter_is_named_where_all_is_finite) {
  Run run;
  run.network.find_parameter("bn1.weight")->value[2] = -1e7f;
  BOOST_TEST(largest_parameter(run.network) == "'bn1.weight' (up to 1e+07)");
}

BOOST_AUTO_TEST_CASE(a_training_goes_back_once_and_ends_well_at_a_lower_rate) {
  Run run;
  std::vector<std::string> notes;
  run.hooks.note = [&](std::string_view fact) { notes.emplace_back(fact); };
  TrainOptions options = options_of(1e4);
  options.rollback_factor = 5e-6;
  const TrainState state = run.train(options);
  BOOST_TEST(state.rollbacks == 1);
  BOOST_TEST(state.rate_factor == 5e-6);
  BOOST_TEST(state.finished);
  BOOST_TEST(state.curve.size() == 4u);
  BOOST_TEST_REQUIRE(notes.size() == 1u);
  BOOST_TEST(notes[0].find("training diverged at step ") != std::string::npos, notes[0]);
  BOOST_TEST(notes[0].find("going back to step 0 with the learning rate times 5e-06") != std::string::npos,
             notes[0]);
  BOOST_TEST(all_finite(run.network.parameters()));
}

BOOST_AUTO_TEST_CASE(what_goes_back_is_as_if_it_had_begun_at_the_lower_rate) {
  Run diverging, calm;
  TrainOptions options = options_of(1e4);
  options.rollback_factor = 0.5 / (1 << 20);
  options.schedule = ScheduleKind::constant;
  options.ema = 0.9;
  BOOST_TEST(diverging.train(options).rollbacks == 1);
  options.learning_rate *= options.rollback_factor;
  BOOST_TEST(calm.train(options).rollbacks == 0);
  BOOST_TEST(same_numbers(diverging.network, calm.network));
}

BOOST_AUTO_TEST_CASE(the_second_time_it_is_an_error_that_says_what_to_change) {
  Run run;
  TrainOptions options = options_of(1e8);
  options.schedule = ScheduleKind::constant;
  options.rollback_factor = 0.5;
  BOOST_CHECK_EXCEPTION(
      run.train(options), UserError,
      message_has("training diverged at step", "learning rate 5e+07", "the largest weights are in",
                  "again after going back once", "lower learning_rate", "clip_norm"));
  Run never;
  options.rollback_factor = 0.0;
  BOOST_CHECK_EXCEPTION(never.train(options), UserError,
                        message_has("training diverged", "learning rate 1e+08"));
}

BOOST_AUTO_TEST_CASE(statistics_that_are_not_finite_are_a_divergence_too) {
  Run run;
  Buffer* variance = nullptr;
  for (Buffer& buffer : run.network.buffers())
    if (buffer.name.ends_with(".running_var")) variance = &buffer;
  BOOST_REQUIRE(variance != nullptr);
  variance->value[0] = std::numeric_limits<float>::infinity();
  BOOST_CHECK_EXCEPTION(
      run.train(options_of(0.01)), UserError,
      message_has("training diverged at step 0", "statistics are not finite", variance->name.c_str()));
}

BOOST_AUTO_TEST_CASE(rates_without_bound_are_found_out_with_either_optimizer) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam})
    for (const double rate : {1e20, 1e38}) {
      Run run;
      TrainOptions options = options_of(rate);
      options.optimizer = kind;
      options.rollback_factor = 0.9;
      BOOST_CHECK_EXCEPTION(run.train(options), UserError, message_has("training diverged at step"));
    }
}

BOOST_AUTO_TEST_CASE(nothing_that_was_saved_is_lost_when_a_training_ends_in_divergence) {
  Run run;
  std::int64_t saved = 0;
  run.hooks.save = [&](const TrainState& state) {
    saved = state.step;
    // From here on the data is poison.
    run.network.find_parameter("fc.weight")->value[0] = kNan;
  };
  BOOST_CHECK_EXCEPTION(run.train(options_of(0.01)), UserError, message_has("step 6", "'fc.weight'"));
  BOOST_TEST(saved == 6);
}

BOOST_AUTO_TEST_SUITE_END()
