#include "experiments/pipeline/expected_time.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "experiments/config/network.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/random.hpp"
#include "trainer/loss.hpp"
#include "trainer/network.hpp"
#include "trainer/optimizer.hpp"

namespace bitsmith::experiments {
namespace {

/// Images a second through the whole machine.
struct Speed {
  double evaluation = 0, training = 0;
};

template <typename Body>
double images_per_second(int images, const Body& body) {
  constexpr double kEnough_s = 0.5;
  body();  // what is allocated and compiled once
  const std::int64_t start = hwmodels::now_ns();
  double seconds = 0;
  int runs = 0;
  for (; seconds < kEnough_s; ++runs) {
    body();
    seconds = static_cast<double>(hwmodels::now_ns() - start) / 1e9;
  }
  return runs * images / seconds;
}

Speed measure(trainer::Network& network, const trainer::TrainOptions& options, int classes) {
  // A batch like training's, or as much of it as is quick.
  constexpr std::int64_t kMostValues = std::int64_t{1} << 20;
  const std::int64_t each = network.info().nodes.front().output.elements();
  const int count = static_cast<int>(
      std::clamp<std::int64_t>(kMostValues / each, 2, std::max<std::int64_t>(2, options.batch)));
  trainer::Tensor images(count, network.info().nodes.front().output), gradient;
  base::Rng rng(1);
  for (std::int64_t i = 0; i < images.elements(); ++i) images.data()[i] = static_cast<float>(rng.normal());
  std::vector<int> labels;
  for (int n = 0; n < count; ++n) labels.push_back(n % classes);
  network.set_arithmetic(options.arithmetic);
  Speed speed;
  speed.evaluation = images_per_second(count, [&] { network.forward(images, trainer::Mode::evaluate); });
  speed.training = images_per_second(count, [&] {
    trainer::softmax_cross_entropy(network.forward(images, trainer::Mode::train), labels, 0, &gradient);
    network.backward(gradient);
  });
  return speed;
}

}  // namespace

ExpectedTime expected_time(const Config& config, const trainer::Data& data) {
  trainer::Network network(build_network(config.network, data.shape(), data.classes()), 1,
                           config.train.shards);
  const Speed speed = measure(network, config.train, data.classes());
  const auto images = static_cast<double>(data.train().images());
  const auto validation = static_cast<double>(data.validation().images());
  const auto& evaluator = config.evaluator.builtin;

  ExpectedTime expected;
  const bool comes_trained = !config.network.weights.empty() || !config.network.checkpoint.empty() ||
                             (!config.network.model.empty() && config.network.trained);
  if (!comes_trained)
    expected.train = config.train.epochs * (images / speed.training + validation / speed.evaluation);
  // The agent, random search as often, and a uniform policy of each width.
  const double candidates =
      2.0 * config.search.episodes + static_cast<double>(config.search.weight_bits.size());
  const double candidate =
      evaluator.finetune_steps * evaluator.batch / speed.training +
      (std::min<double>(evaluator.validation_images, validation) + evaluator.recalibration_images) /
          speed.evaluation;
  expected.search = candidates * candidate;
  // Finalists of three searches on fresh draws; then their best, and fp32 and three uniform policies, for
  // longer.
  constexpr double kFinals = 7;
  expected.finetune =
      3.0 * config.search.finalists * (candidate + validation / speed.evaluation) +
      kFinals * (config.finetune.epochs * images / speed.training + validation / speed.evaluation);
  return expected;
}

}  // namespace bitsmith::experiments
