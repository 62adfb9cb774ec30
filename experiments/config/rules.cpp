#include "experiments/config/rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <filesystem>
#include <utility>
#include <vector>

#include "experiments/config/rule_list.hpp"
#include "quant/base/nearest.hpp"
#include "quant/calibration_methods.hpp"
#include "quant/policy.hpp"
#include "quant/qat_methods.hpp"

namespace bitsmith::experiments {

namespace {

template <class T>
void check_ascending(Rules& rules, const std::string& path, const std::vector<T>& values) {
  for (std::size_t i = 1; i < values.size(); ++i) {
    const bool ascending = values[i - 1] < values[i];
    rules.require(ascending, {fmt::format("{}[{}]", path, i), path},
                  fmt::format("got {} after {}; write the values in ascending order, each once", values[i],
                              values[i - 1]));
    if (!ascending) return;
  }
}

void check_distinct(Rules& rules, const std::string& path, const std::vector<quant::Format>& formats) {
  for (std::size_t i = 1; i < formats.size(); ++i) {
    const bool is_new = std::find(formats.begin(), formats.begin() + static_cast<std::ptrdiff_t>(i),
                                  formats[i]) == formats.begin() + static_cast<std::ptrdiff_t>(i);
    rules.require(is_new, {fmt::format("{}[{}]", path, i), path},
                  fmt::format("got {} twice; write each choice once", quant::short_name(formats[i])));
    if (!is_new) return;
  }
}

void check_network(Rules& rules, const NetworkOptions& network) {
  const int given = int{!network.name.empty()} + int{!network.file.empty()} + int{!network.model.empty()};
  rules.require(given <= 1, {"network.model", "network.file", "network.name"},
                "give one of network.name, network.file and network.model");
  rules.require(
      given >= 1, {"network.name", "network.file", "network.model"},
      "give network.name, a built-in network, or network.file, which describes one, or network.model, an "
      "ONNX file");
  rules.require(network.description.empty() || !network.file.empty() || !network.model.empty(),
                {"network.description"},
                "belongs to network.file or network.model, from which it is read; remove it");
  rules.require(network.trained || !network.model.empty(), {"network.trained"},
                "is of network.model, an ONNX file; remove it");
  rules.require(network.weights.empty() || network.checkpoint.empty(),
                {"network.checkpoint", "network.weights"},
                "give network.weights or network.checkpoint, not both");
  std::vector<std::string> names;
  bool has_width = false;
  for (const trainer::NetworkRow& row : trainer::network_rows()) {
    if (row.has_width) names.emplace_back(row.name);
    has_width = has_width || (row.has_width && row.name == network.name);
  }
  const std::string which = !network.model.empty() ? "an imported network"
                            : network.name.empty() ? "a described network"
                                                   : "'" + network.name + "'";
  rules.require(
      network.width == 1 || has_width, {"network.width", "network.name"},
      fmt::format("{} has no width multiplier; networks that have one: {}", which, base::join_names(names)));
}

/// What a run writes must not replace what it reads.
/// Of training under quantization, whose length is finetune's: what would begin after its end is a mistake.
void check_qat(Rules& rules, const Config& config) {
  rules.require(config.qat.from == QatStart::trained || config.finetune.distillation == 0,
                {"finetune.distillation", "qat.from"},
                "from scratch there is no trained network to learn from; remove one of the two");
  rules.require(config.qat.from == QatStart::trained || config.network.checkpoint.empty(),
                {"network.checkpoint", "qat.from"},
                "from scratch reads no checkpoint; remove one of the two");
  const auto& q = config.quantization;
  const double falling = static_cast<double>(q.progressive_bits.size()) * q.progressive_epochs;
  rules.require(q.progressive_bits.empty() || falling < config.finetune.epochs,
                {"quantization.progressive_epochs", "quantization.progressive_bits", "finetune.epochs"},
                fmt::format("{} stages of {} epochs leave none of finetune's {} to the network's own bits",
                            q.progressive_bits.size(), q.progressive_epochs, config.finetune.epochs));
  rules.require(q.freeze_batch_norm_epochs == 0 || q.freeze_batch_norm_epochs < config.finetune.epochs,
                {"quantization.freeze_batch_norm_epochs", "finetune.epochs"},
                "batch norms would freeze after the training has ended");
}

void check_output(Rules& rules, const Config& config) {
  if (config.output.empty()) return;
  namespace fs = std::filesystem;
  const fs::path output = config.output;
  const bool has_extension = output.extension() == ".h5" || output.extension() == ".hdf5";
  rules.require(has_extension && output.has_stem(), {"output"},
                fmt::format("got '{}', allowed: a file name that ends in .h5 or .hdf5", config.output));
  std::vector<std::string> inputs = config.data.train_files;
  inputs.insert(inputs.end(), config.data.test_files.begin(), config.data.test_files.end());
  for (const auto& file : {config.network.file, config.network.model, config.network.weights,
                           config.network.checkpoint, config.hardware.host.table})
    inputs.push_back(file);
  const auto same = [](const fs::path& a, const fs::path& b) {
    return fs::absolute(a).lexically_normal() == fs::absolute(b).lexically_normal();
  };
  for (const std::string& input : inputs)
    if (!input.empty())
      rules.require(!same(output, input) && !same(fs::path(output).replace_extension(".network.h5"), input) &&
                        !same(fs::path(output).replace_extension(".qat.h5"), input),
                    {"output"},
                    fmt::format("would replace '{}', which the run reads; choose another", input));
}

void check_training(Rules& rules, const std::string& group, const trainer::TrainOptions& options) {
  const auto path = [&](const char* key) { return group + "." + key; };
  rules.require(options.shards <= options.batch, {path("shards"), path("batch")},
                fmt::format("{} shards of a batch of {} images; make {} at most {}", options.shards,
                            options.batch, path("shards"), options.batch));
  rules.require(options.warmup_epochs < options.epochs || options.warmup_epochs == 0,
                {path("warmup_epochs"), path("epochs")},
                fmt::format("warm-up of {} epochs in {} epochs of training; make {} smaller than {}",
                            options.warmup_epochs, options.epochs, path("warmup_epochs"), path("epochs")));
  const bool steps = options.schedule == trainer::ScheduleKind::step;
  rules.require(steps || options.step_epochs.empty(), {path("step_epochs"), path("schedule")},
                "has an effect with schedule step only; remove it or set " + path("schedule") + ": step");
  rules.require(!steps || !options.step_epochs.empty(), {path("schedule"), path("step_epochs")},
                "schedule step needs " + path("step_epochs") + ", e.g. [5, 8]");
  check_ascending(rules, path("step_epochs"), options.step_epochs);
  const trainer::TrainOptions defaults;
  const auto without_effect = [&](const char* key, bool is_default, const char* needs) {
    rules.require(is_default, {path(key), group},
                  fmt::format("has an effect with {} only; remove it or set that", needs));
  };
  const bool restarts = options.schedule == trainer::ScheduleKind::cosine_restarts;
  without_effect("restart_epochs", restarts || options.restart_epochs == defaults.restart_epochs,
                 "schedule cosine_restarts");
  without_effect("restart_factor", restarts || options.restart_factor == defaults.restart_factor,
                 "schedule cosine_restarts");
  without_effect(
      "distillation_temperature",
      options.distillation > 0 || options.distillation_temperature == defaults.distillation_temperature,
      "distillation");
  const auto of_stopping = [&](const char* key, bool is_default) {
    without_effect(key, options.early_stopping > 0 || is_default, "early_stopping");
  };
  of_stopping("min_improvement", options.min_improvement == defaults.min_improvement);
  if (!options.step_epochs.empty())
    rules.require(options.step_epochs.back() < options.epochs, {path("step_epochs"), path("epochs")},
                  fmt::format("the step at epoch {} is not within {} epochs of training",
                              options.step_epochs.back(), options.epochs));
}

/// Keys without effect are refused, unless they say their default: a dumped configuration has every key.
void check_program(Rules& rules, const std::string& group, const hwmodels::CommandOptions& program) {
  const std::string command = group + ".command";
  rules.require(program.command.empty() || !program.command.front().empty(), {command},
                "the first entry is the program and must not be empty");
  const hwmodels::CommandOptions defaults;
  const auto needs_program = [&](const char* key, bool is_default) {
    rules.require(!program.command.empty() || is_default, {group + "." + key, command},
                  "has an effect with a program only; remove it or give " + command);
  };
  needs_program("timeout_s", program.timeout_s == defaults.timeout_s);
  needs_program("retries", program.retries == defaults.retries);
  needs_program("parallel", program.parallel == defaults.parallel);
}

void check_builtin_unused(Rules& rules, const search::EvaluatorOptions& options) {
  const search::EvaluatorOptions defaults;
  const auto unused = [&](const char* key, bool is_default) {
    rules.require(is_default, {std::string("evaluator.") + key},
                  "belongs to the built-in evaluator; remove it or remove evaluator.command");
  };
  unused("finetune_steps", options.finetune_steps == defaults.finetune_steps);
  unused("learning_rate", options.learning_rate == defaults.learning_rate);
  unused("batch", options.batch == defaults.batch);
  unused("validation_images", options.validation_images == defaults.validation_images);
  unused("recalibration_images", options.recalibration_images == defaults.recalibration_images);
}

/// `searches`: false where the configuration is for ptq alone, which asks no evaluator.
void check_evaluator(Rules& rules, const Config& config, bool searches) {
  check_program(rules, "evaluator", config.evaluator.program);
  const search::EvaluatorOptions& builtin = config.evaluator.builtin;
  const auto within_training = [&](const char* path, int images) {
    const int available = config.data.train_images;
    rules.require(available == 0 || images <= available, {path, "data.train_images"},
                  fmt::format("{} images of a training part of {}; make {} at most data.train_images", images,
                              available, path));
  };
  within_training("quantization.calibration_images", config.quantization.calibration_images);
  if (!searches) return;
  if (!config.evaluator.program.command.empty()) return check_builtin_unused(rules, builtin);
  within_training("evaluator.recalibration_images", builtin.recalibration_images);
  rules.require(builtin.validation_images <= config.data.validation_images,
                {"evaluator.validation_images", "data.validation_images"},
                fmt::format("{} images score a candidate but the validation part has {}; make "
                            "evaluator.validation_images at most data.validation_images",
                            builtin.validation_images, config.data.validation_images));
}

void check_hardware(Rules& rules, const Config& config) {
  const HardwareConfig& hardware = config.hardware;
  check_program(rules, "hardware", hardware.program);
  for (std::size_t i = 0; i < hardware.models.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      rules.require(hardware.models[i] != hardware.models[k],
                    {fmt::format("hardware.models[{}]", i), "hardware.models"},
                    fmt::format("'{}' is listed twice; remove one", hardware.models[i]));
  const bool program = !hardware.program.command.empty();
  rules.require(program || !hardware.models.empty(), {"hardware.models"},
                "no cost model at all; list size, bops or host, or give hardware.command");
  const std::vector<std::string> metrics = {"size", "bops", "latency"};
  for (const Constraint& constraint : config.constraints) {
    const std::string path = "constraint." + constraint.name;
    const std::string model = constraint.name == "latency" ? "host" : constraint.name;
    if (model == "host" || model == "size" || model == "bops") {
      rules.require(
          program || hardware.has_model(model), {path, "hardware.models"},
          fmt::format("no model yields it; add '{}' to hardware.models or give hardware.command", model));
    } else {
      rules.require(
          program, {path},
          fmt::format(
              "unknown metric; allowed: size, bops, latency, or one that hardware.command answers with{}",
              base::did_you_mean(constraint.name, metrics)));
    }
  }
}

void check_ptq(Rules& rules, const PtqConfig& ptq) {
  const PtqConfig defaults;
  rules.require(ptq.mode != PtqMode::weight_only || ptq.activations == defaults.activations,
                {"ptq.activations", "ptq.mode"},
                "mode weight_only leaves activations in fp32; remove the key or choose another ptq.mode");
  for (const auto& [path, is_default] :
       {std::pair{"ptq.weights", ptq.weights == defaults.weights},
        std::pair{"ptq.activations", ptq.activations == defaults.activations}})
    rules.require(ptq.policy.empty() || is_default, {path, "ptq.policy"},
                  "ptq.policy says the bits of every layer; remove one of the two");
  for (const auto& [path, is_on] : {std::pair{"ptq.equalize", ptq.steps.equalize},
                                    std::pair{"ptq.absorb_biases", ptq.steps.absorb_biases}})
    rules.require(ptq.steps.fold_batch_norms || !is_on, {path, "ptq.fold_batch_norms"},
                  "batch norms part the layers that it would connect; set ptq.fold_batch_norms: true");
  rules.require(ptq.steps.adaround.beta_end <= ptq.steps.adaround.beta_start,
                {"ptq.adaround.beta_end", "ptq.adaround.beta_start"},
                fmt::format("the exponent falls, but {} is above {}; make ptq.adaround.beta_end at most "
                            "ptq.adaround.beta_start",
                            ptq.steps.adaround.beta_end, ptq.steps.adaround.beta_start));
}

/// `given`: the configuration is for `bitsmith qat` too.
void check_qat(Rules& rules, const Config& config, bool given) {
  const QatConfig &qat = config.qat, defaults;
  const quant::QuantizationOptions& options = config.quantization;
  for (const auto& [path, is_default] :
       {std::pair{"qat.weights", qat.weights == defaults.weights},
        std::pair{"qat.activations", qat.activations == defaults.activations}})
    rules.require(qat.policy.empty() || is_default, {path, "qat.policy"},
                  "qat.policy says the bits of every layer; remove one of the two");
  rules.require(options.batch_norm != quant::QatBatchNorm::folded ||
                    options.weight_method == quant::WeightMethod::straight_through,
                {"quantization.batch_norm", "quantization.weight_method"},
                "folded goes with weight_method straight_through alone; choose one of the two");
  rules.require(options.batch_norm != quant::QatBatchNorm::frozen || options.freeze_batch_norm_epochs == 0,
                {"quantization.freeze_batch_norm_epochs", "quantization.batch_norm"},
                "batch_norm: frozen freezes from the beginning; remove one of the two");
  rules.require(
      options.observer_epochs == 0 || options.activation_method == quant::ActivationMethod::straight_through,
      {"quantization.observer_epochs", "quantization.activation_method"},
      "ranges are observed with activation_method straight_through alone; remove one of the two");
  for (std::size_t i = 1; i < options.progressive_bits.size(); ++i)
    rules.require(options.progressive_bits[i] < options.progressive_bits[i - 1],
                  {fmt::format("quantization.progressive_bits[{}]", i), "quantization.progressive_bits"},
                  fmt::format("got {} after {}; write the bits in descending order, each once",
                              options.progressive_bits[i], options.progressive_bits[i - 1]));
  if (!given || !qat.policy.empty()) return;
  if (const auto problem = quant::weight_objection(options.weight_method, qat.weights))
    rules.require(false, {"quantization.weight_method", "qat.weights"}, *problem + " (qat.weights)");
  // Only images can be negative in the built-in networks, and their layer's bits are pinned.
  if (const auto problem = quant::activation_objection(options.activation_method, qat.activations, false))
    rules.require(false, {"quantization.activation_method", "qat.activations"},
                  *problem + " (qat.activations)");
}

/// Single layers' methods must serve whatever a search may choose; their bits are the search's.
void check_methods_in_search(Rules& rules, const Config& config) {
  const auto gives_integers = [&](quant::ActivationMethod method, const std::string& path) {
    const quant::ActivationMethodRow& row = quant::activation_method_row(method);
    rules.require(
        row.integers, {path, "quantization.layers"},
        fmt::format("{} gives no integers at a scale that is known beforehand, and a run deploys its "
                    "winner; bitsmith qat takes it",
                    row.name));
  };
  gives_integers(config.quantization.activation_method, "quantization.activation_method");
  rules.require(config.quantization.progressive_bits.empty() ||
                    !quant::activation_method_row(config.quantization.activation_method).learns,
                {"quantization.progressive_bits", "quantization.activation_method"},
                "bits may fall in a search where inputs learn nothing: choose activation_method "
                "straight_through, or remove the key");
  std::vector<quant::Format> weights = config.search.weight_bits, inputs = config.search.activation_bits;
  for (int uniform : {8, 6, 4}) {  // what every run compares with
    weights.emplace_back(uniform);
    inputs.emplace_back(uniform);
  }
  for (const quant::LayerOverride& own : config.quantization.layers) {
    const std::string path = "quantization.layers." + own.layer;
    rules.require(
        !own.weight_format && !own.activation_format, {path, "quantization.layers"},
        "a search chooses the bits; remove weight_bits and activation_bits (bitsmith qat takes them)");
    if (own.activation_method) gives_integers(*own.activation_method, path);
    std::optional<std::string> problem;
    for (quant::Format format : weights)
      if (own.weight_method && !problem) problem = quant::weight_objection(*own.weight_method, format);
    for (quant::Format format : inputs)
      if (own.activation_method && !problem)
        problem = quant::activation_objection(*own.activation_method, format, false);
    rules.require(!problem, {path, "quantization.layers"},
                  problem.value_or("") +
                      ", and a run may give it that; name it for all layers instead: where "
                      "it does not serve, layers train straight through");
  }
}

void check_search(Rules& rules, const search::SearchOptions& search) {
  rules.require(
      search.warmup_episodes < search.episodes, {"search.warmup_episodes", "search.episodes"},
      fmt::format("{} of {} episodes are warm-up, so the agent would never act; make search.warmup_episodes "
                  "smaller than search.episodes",
                  search.warmup_episodes, search.episodes));
  rules.require(search.finalists <= search.episodes, {"search.finalists", "search.episodes"},
                fmt::format("{} finalists of {} episodes; make search.finalists at most search.episodes",
                            search.finalists, search.episodes));
  check_distinct(rules, "search.weight_bits", search.weight_bits);
  check_distinct(rules, "search.activation_bits", search.activation_bits);
}

void check_quantization(Rules& rules, const quant::QuantizationOptions& options) {
  std::vector<std::string> at_once;
  for (const quant::CalibrationRow& row : quant::calibration_methods())
    if (row.at_once) at_once.emplace_back(row.name);
  rules.require(
      quant::calibration_row(options.weight_calibration).at_once, {"quantization.weight_calibration"},
      "weights are seen once, so a moving average means nothing; allowed: " + base::join_names(at_once));
}

}  // namespace

void check_rules(const Config& config, Places& places) {
  Rules rules(places);
  check_network(rules, config.network);
  check_output(rules, config);
  check_data(rules, config.data);
  check_training(rules, "train", config.train);
  check_training(rules, "finetune", config.finetune);
  rules.require(
      config.train.distillation == 0, {"train.distillation"},
      "the teacher is the network that `train` is about to make; set finetune.distillation instead");
  for (const auto& [path, is_off] :
       {std::pair{"finetune.ema", config.finetune.ema == 0},
        std::pair{"finetune.early_stopping", config.finetune.early_stopping == 0}})
    rules.require(is_off || config.quantization.progressive_bits.empty(),
                  {path, "quantization.progressive_bits"},
                  "weights of different bits can be neither averaged nor compared; remove one of the two");
  check_qat(rules, config);
  check_quantization(rules, config.quantization);
  check_ptq(rules, config.ptq);
  check_qat(rules, config, places.given("qat"));
  const bool searches = !config.constraints.empty() || !(places.given("ptq") || places.given("qat"));
  if (searches) check_methods_in_search(rules, config);
  check_evaluator(rules, config, searches);
  check_hardware(rules, config);
  rules.require(!config.constraints.empty() || !searches, {"constraint"},
                "give at least one bound, e.g. constraint: {size: 0.5x}");
  check_search(rules, config.search);
  rules.finish();
}

}  // namespace bitsmith::experiments
