#include "experiments/pipeline/qat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "experiments/config/dump.hpp"
#include "experiments/config/network.hpp"
#include "experiments/pipeline/chosen_policy.hpp"
#include "experiments/pipeline/quantized_model.hpp"
#include "experiments/pipeline/training.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "quant/plan.hpp"
#include "quant/qat_methods.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"
#include "trainer/qat/choose_methods.hpp"
#include "trainer/qat/phases.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::experiments {
namespace fs = std::filesystem;
namespace {

constexpr int kBatch = 250;
constexpr int kLeastMeasured = 32;  ///< images of a batch that batch norms are measured on

class QatRun {
 public:
  QatRun(const Config& config, const Reporter& reporter)
      : config_(config),
        reporter_(reporter),
        workspace_(config.output),
        data_(config.data),
        info_(build_network(config.network, data_.shape(), data_.classes())),
        options_(options_of(config)) {}

  QatReport run() && {
    begin();
    trainer::Network start = starting_network();
    trainer::Network network = start.clone();
    const trainer::CalibrationTable table = [&] {
      trainer::EvaluationSource images(data_.train(), kBatch);
      return trainer::calibrate(network, images, options_);
    }();
    trainer::apply_policy(network, report_.policy, table, options_);
    for (std::size_t i = 0; i < info_.layers.size(); ++i) {
      const trainer::LayerQuantization& q = network.quantization(static_cast<int>(i));
      report_.methods.emplace_back(quant::weight_method_row(q.weight_method).name,
                                   quant::activation_method_row(q.activation_method).name);
    }
    tell_what_is_not_folded(network);
    if (config_.qat.from == QatStart::trained) report_.validation.fp32 = accuracy(start, data_.validation());
    report_.calibrated_accuracy = accuracy(network, data_.validation());
    train(network, start, table);
    deliver(network, start);
    return std::move(report_);
  }

 private:
  static quant::QuantizationOptions options_of(const Config& config) {
    quant::QuantizationOptions options = config.quantization;
    if (options.activation_method == quant::ActivationMethod::bitnet)
      options.activation_scales = quant::ActivationScales::dynamic;
    return options;
  }

  quant::Plan plan() const {
    return quant::lower(info_, report_.policy, quant::first_capable_kernel(), options_.activation_scales);
  }

  fs::path beside(const char* extension) const {
    return fs::path(config_.output).replace_extension(extension);
  }

  double accuracy(trainer::Network& network, const trainer::DataPart& part) const {
    trainer::EvaluationSource images(part, kBatch);
    return trainer::evaluate(network, images).accuracy;
  }

  /// What does not fit is told before anything is trained.
  void begin() {
    report_.config = dump_config(config_);
    report_.info = info_;
    report_.seed = config_.seed;
    report_.from = config_.qat.from;
    trainer::check_layer_names(info_, options_);
    report_.policy = trainer::with_overrides(
        info_,
        chosen_policy(info_, config_.qat.policy, {config_.qat.weights, config_.qat.activations}, options_),
        options_);
    quant::validate_policy(info_, report_.policy);
    plan();
    std::vector<trainer::LayerQuantization> chosen(info_.layers.size());
    for (std::size_t i = 0; i < info_.layers.size(); ++i) {
      trainer::choose_methods(info_, static_cast<int>(i), report_.policy.layers[i], options_, chosen[i]);
      for (std::size_t k = 0; k < i; ++k) check_shared_input(k, i, chosen);
    }
  }

  /// Integers that two layers read are made once, at one scale, found by one method.
  void check_shared_input(std::size_t a, std::size_t b,
                          const std::vector<trainer::LayerQuantization>& chosen) const {
    const auto read_by = [&](std::size_t layer) {
      return info_.nodes[static_cast<std::size_t>(info_.layers[layer].node)].inputs[0];
    };
    const quant::Format bits = report_.policy.layers[a].activation;
    if (read_by(a) != read_by(b) || bits.is_float() || report_.policy.layers[b].activation != bits ||
        chosen[a].activation_method == chosen[b].activation_method)
      return;
    throw base::UserError(
        fmt::format("'{}' and '{}' read the same tensor at {} bits, by activation_method {} and {}: choose "
                    "the same for both",
                    info_.layers[a].name, info_.layers[b].name, bits.code(),
                    quant::activation_method_row(chosen[a].activation_method).name,
                    quant::activation_method_row(chosen[b].activation_method).name));
  }

  void tell_what_is_not_folded(const trainer::Network& network) const {
    if (options_.batch_norm != quant::QatBatchNorm::folded) return;
    std::string names;
    for (std::size_t i = 0; i < info_.layers.size(); ++i) {
      const trainer::LayerQuantization& q = network.quantization(static_cast<int>(i));
      if (q.quantizes_weights() && q.learned.gamma == nullptr)
        names += (names.empty() ? "" : ", ") + info_.layers[i].name;
    }
    if (!names.empty())
      reporter_.note(
          fmt::format("batch_norm: folded has no effect on {}: no integers, or no batch norm behind", names));
  }

  trainer::Network starting_network() {
    reporter_.stage("train");
    if (config_.qat.from == QatStart::trained)
      return obtain_network(config_, data_, info_, workspace_, reporter_).network;
    const auto seed = static_cast<std::uint64_t>(config_.seed);
    trainer::Network network(info_, base::derive_seed(seed, "weights"), config_.finetune.shards);
    // Fresh weights with statistics of their own, so that calibration sees ranges as training will.
    trainer::EvaluationSource images(data_.train(), config_.finetune.batch);
    trainer::recalibrate_batch_norm(network, images, config_.quantization.calibration_images);
    return network;
  }

  std::string identity(std::uint64_t start) const {
    constexpr std::string_view keys[] = {"seed", "network", "data", "quantization", "qat", "finetune"};
    return fmt::format("qat {} data {:016x} from {:016x} policy {:016x}", config_identity(config_, keys),
                       data_.hash(), start, report_.policy.hash());
  }

  /// `fp32`: what it begins with, and learns from where it is distilled.
  void train(trainer::Network& network, const trainer::Network& fp32,
             const trainer::CalibrationTable& table) {
    const std::uint64_t start_hash = weights_hash(fp32);
    reporter_.stage("qat");
    const fs::path file = workspace_.file("qat.h5");
    const std::string own = identity(start_hash);
    trainer::TrainState start;
    if (auto earlier = earlier_checkpoint(file, network, own, reporter_)) {
      start = std::move(earlier->state);
      reporter_.note(start.finished
                         ? fmt::format("trained before: {}", file.string())
                         : fmt::format("training goes on after step {} of {}", start.step, start.total));
    }
    const std::uint64_t seed = base::derive_seed(static_cast<std::uint64_t>(config_.seed), "qat");
    trainer::TrainingSource source(data_.train(), data_.augmentation(), config_.finetune.batch, seed);
    const trainer::QatPhases phases(report_.policy, table, options_, source.batches_per_epoch());
    phases.check(network);
    trainer::TrainHooks hooks;
    hooks.progress = reporter_.progress;
    hooks.note = reporter_.note;
    hooks.before_step = [&](std::int64_t step) { phases.enter(network, step); };
    hooks.validate = [&] {
      trainer::EvaluationSource images(data_.validation(), kBatch);
      return trainer::evaluate(network, images);
    };
    hooks.after_epoch = [&](const trainer::TrainState& state) {
      const trainer::EpochRecord& point = state.curve.back();
      reporter_.note(fmt::format("epoch {:.4g}: loss {:.4f}, validation {:.2f} %", point.epoch, point.loss,
                                 100 * point.validation_accuracy));
    };
    hooks.after_best = [&](const trainer::TrainState& state) {
      trainer::save_checkpoint(workspace_.file("qat.best.h5"), network,
                               {trainer::position_of(state), seed, own});
    };
    hooks.save = [&](const trainer::TrainState& state) {
      trainer::save_checkpoint(file, network, {state, seed, own});
    };
    std::optional<trainer::Network> teacher;
    if (config_.finetune.distillation > 0) {
      teacher.emplace(fp32.clone());
      hooks.teacher = &*teacher;
    }
    trainer::TrainState end = trainer::train(network, source, config_.finetune, hooks, std::move(start));
    for (const trainer::EpochRecord& record : end.curve) report_.curve.push_back(training_point(record));
    phases.leave(network);
    delivered_ = trainer::position_of(end);
    delivered_.curve = std::move(end.curve);
    delivered_.trace = std::move(end.trace);
    if (config_.qat.recalibration_images > 0 && !phases.frozen_at(end.step)) {
      // Batches of one image may have no variance to measure, however the network was trained.
      trainer::EvaluationSource images(data_.train(), std::max(config_.finetune.batch, kLeastMeasured));
      trainer::recalibrate_batch_norm(network, images, config_.qat.recalibration_images);
    }
  }

  void deliver(trainer::Network& network, trainer::Network& start) {
    reporter_.stage("deploy");
    trainer::save_checkpoint(beside(".qat.h5"), network,
                             {delivered_, static_cast<std::uint64_t>(config_.seed), {}});
    base::replace_file(beside(".qat.policy.yaml"), quant::policy_to_yaml(info_, report_.policy));
    std::optional<trainer::IntegerNetwork> deployed;
    try {
      trainer::DeployedModel model = quantized_model(network, plan(), config_, data_, "qat");
      report_.model = beside(".qat.bsm").string();
      trainer::save_model(model, report_.model);
      deployed.emplace(std::move(model), kBatch);
    } catch (const base::UserError& error) {
      report_.not_deployed = error.what();
      reporter_.warning(fmt::format("not deployed: {}", error.what()));
    }
    evaluate(network, deployed, data_.validation(), report_.validation);
    const trainer::DataPart test = data_.load_test();
    evaluate(network, deployed, test, report_.test);
    if (config_.qat.from == QatStart::trained) report_.test.fp32 = accuracy(start, test);
    base::replace_file(beside(".qat.json"), qat_json(report_) + "\n");
  }

  void evaluate(trainer::Network& network, std::optional<trainer::IntegerNetwork>& deployed,
                const trainer::DataPart& part, QatAccuracy& result) const {
    trainer::EvaluationSource images(part, kBatch);
    const auto simulated = [&](const trainer::Tensor& batch) -> const trainer::Tensor& {
      return network.forward(batch, trainer::Mode::evaluate);
    };
    result.simulated = trainer::evaluate_logits(images, simulated).accuracy;
    if (!deployed) return;
    result.on_integers = test_deployed(network, *deployed, images);
  }

  const Config& config_;
  const Reporter& reporter_;
  Workspace workspace_;
  trainer::TrainState delivered_;  ///< step and curves, of the network that is delivered
  trainer::Data data_;
  quant::NetworkInfo info_;
  quant::QuantizationOptions options_;
  QatReport report_;
};

}  // namespace

QatReport run_qat(const Config& config, const Reporter& reporter) {
  base::set_thread_count(config.threads);
  reporter.stage("data");
  return QatRun(config, reporter).run();
}

}  // namespace bitsmith::experiments
