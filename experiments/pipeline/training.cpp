#include "experiments/pipeline/training.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include "experiments/config/dump.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/random.hpp"
#include "quant/base/yaml.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/training_loop.hpp"
#include "trainer/weights_import.hpp"

namespace bitsmith::experiments {
namespace {

std::string training_identity(const Config& config, const trainer::Data& data) {
  constexpr std::string_view keys[] = {"seed", "network", "data", "train"};
  return fmt::format("{} data {:016x}", config_identity(config, keys), data.hash());
}

}  // namespace

std::optional<trainer::Checkpoint> earlier_checkpoint(const std::filesystem::path& file,
                                                      trainer::Network& network, const std::string& identity,
                                                      const Reporter& reporter) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    return trainer::load_checkpoint(file, network, identity);
  } catch (const base::UserError& error) {
    reporter.note(fmt::format("training anew: {}", error.what()));
    return std::nullopt;
  }
}

std::vector<TrainingPoint> read_curve(const std::filesystem::path& file, double until_epoch) {
  std::vector<TrainingPoint> curve;
  if (!std::filesystem::exists(file)) return curve;
  std::istringstream lines(base::read_file(file));
  for (TrainingPoint point; lines >> point.epoch >> point.loss >> point.validation_accuracy;)
    if (point.epoch <= until_epoch) curve.push_back(point);
  return curve;
}

void write_curve(const std::filesystem::path& file, const std::vector<TrainingPoint>& curve) {
  std::string text;
  for (const TrainingPoint& point : curve)
    text += base::shortest(point.epoch) + " " + base::shortest(point.loss) + " " +
            base::shortest(point.validation_accuracy) + "\n";
  base::replace_file(file, text);
}

TrainedNetwork obtain_network(const Config& config, const trainer::Data& data, const quant::NetworkInfo& info,
                              const Workspace& workspace, const Reporter& reporter) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  TrainedNetwork trained{trainer::Network(info, base::derive_seed(seed, "weights"), config.train.shards), {}};
  trainer::Network& network = trained.network;
  if (!config.network.weights.empty()) {
    trainer::import_weights(config.network.weights, network);
    return trained;
  }
  if (!config.network.checkpoint.empty()) {
    trainer::load_checkpoint(config.network.checkpoint, network);
    return trained;
  }

  const std::string identity = training_identity(config, data);
  const auto file = workspace.trained();
  trainer::TrainState start;
  if (auto earlier = earlier_checkpoint(file, network, identity, reporter)) {
    start = std::move(earlier->state);
    trained.curve = read_curve(workspace.training_curve(), start.epoch);
    if (start.step == start.total) {
      reporter.note(fmt::format("trained before: {}", file.string()));
      return trained;
    }
    reporter.note(fmt::format("training goes on after epoch {:.0f}", start.epoch));
  }
  const std::uint64_t batch_seed = base::derive_seed(seed, "train");
  trainer::TrainingSource source(data.train(), data.augmentation(), config.train.batch, batch_seed);
  trainer::TrainHooks hooks;
  hooks.progress = reporter.progress;
  hooks.after_epoch = [&](const trainer::TrainState& state) {
    trainer::EvaluationSource validation(data.validation(), config.train.batch);
    trained.curve.push_back({state.epoch, state.loss, trainer::evaluate(network, validation).accuracy});
    write_curve(workspace.training_curve(), trained.curve);
    trainer::save_checkpoint(file, network, {state, batch_seed, identity});
  };
  trainer::train(network, source, config.train, hooks, std::move(start));
  return trained;
}

std::uint64_t weights_hash(const trainer::Network& network) {
  base::Hasher hasher;
  for (const auto& parameter : network.parameters()) hasher.add(std::as_bytes(std::span(parameter.value)));
  for (const auto& buffer : network.buffers()) hasher.add(std::as_bytes(std::span(buffer.value)));
  return hasher.value();
}

}  // namespace bitsmith::experiments
