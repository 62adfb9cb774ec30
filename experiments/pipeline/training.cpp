#include "experiments/pipeline/training.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "experiments/config/dump.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/random.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/onnx/import.hpp"
#include "trainer/training_loop.hpp"
#include "trainer/weights_import.hpp"

namespace bitsmith::experiments {
namespace {

std::string training_identity(const Config& config, const trainer::Data& data) {
  constexpr std::string_view keys[] = {"seed", "network", "data", "train"};
  return fmt::format("{} data {:016x}", config_identity(config, keys), data.hash());
}

/// trained.h5 -> trained-earlier-1.h5, or the next number that is free.
std::filesystem::path free_name_beside(const std::filesystem::path& file) {
  for (int number = 1;; ++number) {
    auto name = file;
    name.replace_filename(
        fmt::format("{}-earlier-{}{}", file.stem().string(), number, file.extension().string()));
    if (!std::filesystem::exists(name)) return name;
  }
}

}  // namespace

std::optional<trainer::Checkpoint> earlier_checkpoint(const std::filesystem::path& file,
                                                      trainer::Network& network, const std::string& identity,
                                                      const Reporter& reporter) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    return trainer::load_checkpoint(file, network, identity);
  } catch (const base::UserError& error) {
    const std::filesystem::path kept = free_name_beside(file);
    std::error_code code;
    std::filesystem::rename(file, kept, code);
    if (code)
      throw base::UserError(
          fmt::format("{}; and it cannot be kept as {}: {}", error.what(), kept.string(), code.message()));
    reporter.note(fmt::format("training anew; {} is kept as {}: {}", file.filename().string(),
                              kept.filename().string(), error.what()));
    return std::nullopt;
  }
}

namespace {

void take_curves(const trainer::TrainState& state, TrainedNetwork& trained) {
  for (const trainer::EpochRecord& record : state.curve) trained.curve.push_back(training_point(record));
  trained.steps = {state.trace.stride, state.trace.points};
}

/// What the configuration gives trained weights in; whether it does.
bool load_given(const Config& config, quant::Shape input, trainer::Network& network) {
  if (!config.network.weights.empty())
    trainer::import_weights(config.network.weights, network);
  else if (!config.network.checkpoint.empty())
    trainer::load_trained(config.network.checkpoint, network);
  else if (!config.network.model.empty() && config.network.trained)
    trainer::onnx::put_numbers(trainer::onnx::import_file(config.network.model, input), network);
  else
    return false;
  return true;
}

}  // namespace

void load_network(const Config& config, const trainer::Data& data, trainer::Network& network) {
  if (load_given(config, data.shape(), network)) return;
  std::filesystem::path file = config.output;
  file = file.replace_extension(".work") / "trained.h5";
  const char* advice = "train it first (bitsmith train), or give a checkpoint";
  if (!std::filesystem::exists(file))
    throw base::UserError(fmt::format("{}: there is no trained network: {}", file.string(), advice));
  const trainer::Checkpoint checkpoint =
      trainer::load_checkpoint(file, network, training_identity(config, data));
  if (!checkpoint.state.finished)
    throw base::UserError(fmt::format("{}: its training stands at step {} of {}: {}", file.string(),
                                      checkpoint.state.step, checkpoint.state.total, advice));
}

TrainedNetwork obtain_network(const Config& config, const trainer::Data& data, const quant::NetworkInfo& info,
                              const Workspace& workspace, const Reporter& reporter) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  TrainedNetwork trained{
      trainer::Network(info, base::derive_seed(seed, "weights"), config.train.shards), {}, {}};
  trainer::Network& network = trained.network;
  if (load_given(config, data.shape(), network)) return trained;
  if (!config.network.model.empty())
    trainer::onnx::put_numbers(trainer::onnx::import_file(config.network.model, data.shape()), network);

  const std::string identity = training_identity(config, data);
  const auto file = workspace.trained();
  trainer::TrainState start;
  if (auto earlier = earlier_checkpoint(file, network, identity, reporter)) {
    start = std::move(earlier->state);
    if (start.finished) {
      take_curves(start, trained);
      reporter.note(fmt::format("trained before: {}", file.string()));
      return trained;
    }
    reporter.note(fmt::format("training goes on after step {} of {}", start.step, start.total));
  }
  const std::uint64_t batch_seed = base::derive_seed(seed, "train");
  trainer::TrainingSource source(data.train(), data.augmentation(), config.train.batch, batch_seed);
  trainer::EvaluationSource validation(data.validation(), config.train.batch);
  trainer::TrainHooks hooks;
  hooks.progress = reporter.progress;
  hooks.note = reporter.note;
  hooks.validate = [&] { return trainer::evaluate(network, validation); };
  hooks.after_best = [&](const trainer::TrainState& state) {
    trainer::save_checkpoint(workspace.best_trained(), network,
                             {trainer::position_of(state), batch_seed, identity});
  };
  hooks.save = [&](const trainer::TrainState& state) {
    trainer::save_checkpoint(file, network, {state, batch_seed, identity});
  };
  take_curves(trainer::train(network, source, config.train, hooks, std::move(start)), trained);
  return trained;
}

TrainingPoint training_point(const trainer::EpochRecord& record) {
  return {record.epoch,    record.learning_rate,   record.loss,
          record.accuracy, record.validation_loss, record.validation_accuracy};
}

std::uint64_t weights_hash(const trainer::Network& network) {
  base::Hasher hasher;
  for (const auto& parameter : network.parameters()) hasher.add(std::as_bytes(std::span(parameter.value)));
  for (const auto& buffer : network.buffers()) hasher.add(std::as_bytes(std::span(buffer.value)));
  return hasher.value();
}

}  // namespace bitsmith::experiments
