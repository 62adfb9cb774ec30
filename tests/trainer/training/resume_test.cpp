#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <optional>

#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/training/trainings.hpp"
#include "trainer/checkpoint.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;
using tests::TemporaryFolder;

TrainOptions everything() {
  TrainOptions options;
  options.epochs = 3.5;
  options.batch = 8;
  options.shards = 2;
  options.learning_rate = 0.05;
  options.schedule = ScheduleKind::cosine_restarts;
  options.restart_epochs = 1.3;
  options.warmup_epochs = 0.5;
  options.label_smoothing = 0.1;
  options.mixup = 0.4;
  options.clip_norm = 0.5;
  options.ema = 0.9;
  options.distillation = 0.3;
  options.early_stopping = 2;
  options.stop_metric = StopMetric::loss;
  options.min_improvement = 1e-3;
  options.checkpoint_steps = 1;
  return options;
}

LayerQuantization four_bits() {
  LayerQuantization q;
  q.weight_format = 4;
  q.activation_bits = 6;
  q.activation_signed = true;
  q.activation_scale = 0.0371f;
  return q;
}

struct Case {
  quant::Shape shape;
  std::uint64_t seed;
  TrainOptions options;
  bool quantized = false;
};

/// One case's training: a fresh network, its teacher, and data.
struct Run {
  explicit Run(const Case& which)
      : part(bright_part(which.shape, 50, which.seed)),
        held_out(bright_part(which.shape, 20, which.seed + 100)),
        network(conv_info(which.shape), which.seed),
        teacher(conv_info(which.shape), which.seed + 1),
        source(part, {1, true}, which.options.batch, which.seed),
        validation(held_out, 7) {
    if (which.quantized) network.set_quantization(0, four_bits());
    hooks.validate = [this] { return evaluate(network, validation); };
    hooks.teacher = &teacher;
  }
  TrainState train(const TrainOptions& options, TrainState start = {}) {
    return trainer::train(network, source, options, hooks, std::move(start));
  }

  DataPart part, held_out;
  Network network, teacher;
  TrainingSource source;
  EvaluationSource validation;
  TrainHooks hooks;
};

/// Trains; at step `stop`, if given, saves a checkpoint and starts anew from that in another Run.
std::pair<Network, TrainState> trained(const Case& which, std::optional<std::int64_t> stop = {}) {
  const TemporaryFolder folder;
  Run run(which);
  run.hooks.save = [&](const TrainState& state) {
    if (state.step == stop) save_checkpoint(folder / "c.h5", run.network, {state, which.seed, "run"});
  };
  TrainState state = run.train(which.options);
  if (!stop) return {std::move(run.network), std::move(state)};
  Run resumed(which);
  resumed.network = Network(conv_info(which.shape), 99);  // other weights, no quantization
  state = resumed.train(which.options, load_checkpoint(folder / "c.h5", resumed.network, "run").state);
  return {std::move(resumed.network), std::move(state)};
}

void check_every_stop(const Case& which, std::int64_t stride) {
  const auto [straight, state] = trained(which);
  BOOST_TEST_REQUIRE(state.step > 2);
  for (std::int64_t stop = 1; stop < state.step; stop += stride) {
    const auto [resumed, end] = trained(which, stop);
    BOOST_TEST(same_numbers(straight, resumed), "stopped at step " << stop);
    BOOST_TEST(same_curve(state.curve, end.curve), "stopped at step " << stop);
    BOOST_TEST((state.trace.points == end.trace.points));
    BOOST_TEST(end.step == state.step);
    BOOST_TEST(end.rollbacks == state.rollbacks);
    BOOST_TEST(end.stopping.best == state.stopping.best);
  }
}
}  // namespace

BOOST_AUTO_TEST_SUITE(resuming)

BOOST_AUTO_TEST_CASE(from_any_step_with_everything_on_it_ends_as_if_never_stopped) {
  check_every_stop({{1, 6, 6}, 5, everything()}, 1);
  check_every_stop({{1, 6, 6}, 6, everything()}, 3);
  Case other{{3, 5, 7}, 5, everything(), true};
  other.options.optimizer = OptimizerKind::adam;
  other.options.learning_rate = 0.01;
  check_every_stop(other, 4);
}

BOOST_AUTO_TEST_CASE(so_it_does_before_and_after_going_back) {
  Case which{{1, 6, 6}, 7, everything()};
  which.options.early_stopping = 0;
  which.options.min_improvement = 0.0;
  which.options.clip_norm = 0.0;
  which.options.warmup_epochs = 0.0;
  which.options.learning_rate = 1e4;
  which.options.rollback_factor = 1e-6;
  BOOST_TEST(trained(which).second.rollbacks == 1);
  check_every_stop(which, 1);
}

BOOST_AUTO_TEST_CASE(what_early_stopping_found_best_is_kept_across_a_stop) {
  Case which{{1, 6, 6}, 5, everything()};
  which.options.epochs = 30;
  which.options.min_improvement = 0.02;
  const auto [straight, state] = trained(which);
  BOOST_TEST_REQUIRE(state.step < state.total);
  BOOST_TEST_REQUIRE(state.stopping.waited == 2);
  const auto [resumed, end] = trained(which, state.step - 3);  // after the best
  BOOST_TEST(same_numbers(straight, resumed));
  BOOST_TEST(end.step == state.step);
  Run run(which);
  run.network.copy_state_from(resumed);
  run.network.set_shards(which.options.shards);
  BOOST_TEST(-evaluate(run.network, run.validation).cross_entropy == state.stopping.best);
}

BOOST_AUTO_TEST_CASE(a_finished_training_is_not_trained_further) {
  const Case which{{1, 6, 6}, 5, everything()};
  auto [network, state] = trained(which);
  BOOST_TEST(state.finished);
  Run run(which);
  run.network.copy_state_from(network);
  run.hooks.after_step = [](std::int64_t, double) { BOOST_ERROR("a step was made"); };
  run.train(which.options, std::move(state));
  BOOST_TEST(same_numbers(run.network, network));
}

BOOST_AUTO_TEST_SUITE_END()
