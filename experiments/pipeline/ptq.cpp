#include "experiments/pipeline/ptq.hpp"

#include <fmt/format.h>

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
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"
#include "quant/plan.hpp"
#include "quant/qat_methods.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"
#include "trainer/training_loop.hpp"

namespace bitsmith::experiments {
namespace {

constexpr int kBatch = 250;

quant::Policy policy_of(const Config& config, const quant::NetworkInfo& network) {
  const PtqConfig& ptq = config.ptq;
  quant::Policy policy =
      chosen_policy(network, ptq.policy, {ptq.weights, ptq.activations}, config.quantization);
  if (ptq.mode == PtqMode::weight_only)
    for (quant::LayerFormats& layer : policy.layers) layer.activation = quant::kFloatBits;
  quant::validate_policy(network, policy);
  return policy;
}

quant::Plan plan_of(const quant::NetworkInfo& network, const quant::Policy& policy,
                    const quant::QuantizationOptions& options) {
  return quant::lower(network, policy, quant::first_capable_kernel(), options.activation_scales);
}

}  // namespace

PtqReport run_ptq(const Config& config, const Reporter& reporter) {
  namespace fs = std::filesystem;
  base::set_thread_count(config.threads);
  const Workspace workspace(config.output);
  reporter.stage("data");
  const trainer::Data data(config.data);
  const quant::NetworkInfo network = build_network(config.network, data.shape(), data.classes());
  PtqReport report;
  report.config = dump_config(config);
  report.network = network.name;
  report.seed = config.seed;
  report.policy = policy_of(config, network);
  quant::QuantizationOptions quantization = quant::without_training(config.quantization);
  if (config.ptq.mode == PtqMode::dynamic_scales)
    quantization.activation_scales = quant::ActivationScales::dynamic;
  plan_of(network, report.policy, quantization);  // what cannot be lowered is not trained first

  reporter.stage("train");
  TrainedNetwork trained = obtain_network(config, data, network, workspace, reporter);

  reporter.stage("ptq");
  trainer::EvaluationSource images(data.train(), kBatch);
  trainer::ptq::PtqHooks hooks;
  hooks.progress = reporter.progress;
  hooks.accuracy = [&](trainer::Network& candidate) {
    trainer::EvaluationSource validation(data.validation(), kBatch);
    return trainer::evaluate(candidate, validation).accuracy;
  };
  hooks.after_step = [&](const trainer::ptq::PtqStep& step) {
    reporter.note(fmt::format("{}: {:.2f} % quantized, {:.1f} s", step.name, 100 * step.quantized_accuracy,
                              step.seconds));
  };
  trainer::ptq::PtqResult result = trainer::ptq::quantize_after_training(
      trained.network, report.policy, images, quantization, config.ptq.steps,
      base::derive_seed(static_cast<std::uint64_t>(config.seed), "ptq"), hooks);
  report.info = result.network.info();
  report.steps = std::move(result.steps);
  report.errors = std::move(result.errors);
  report.roundings = std::move(result.roundings);

  reporter.stage("deploy");
  const trainer::DeployedModel model =
      quantized_model(result.network, plan_of(report.info, report.policy, quantization), config, data, "ptq");
  trainer::IntegerNetwork deployed(model, kBatch);
  trainer::EvaluationSource validation(data.validation(), kBatch);
  report.on_integers = test_deployed(result.network, deployed, validation);
  const auto beside = [&](const char* extension) {
    return fs::path(config.output).replace_extension(extension);
  };
  report.model = beside(".ptq.bsm").string();
  trainer::save_model(model, report.model);
  base::replace_file(beside(".ptq.policy.yaml"), quant::policy_to_yaml(network, report.policy));
  base::replace_file(beside(".ptq.json"), ptq_json(report) + "\n");
  return report;
}

}  // namespace bitsmith::experiments
