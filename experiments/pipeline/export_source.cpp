#include "experiments/pipeline/export_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "experiments/config/load.hpp"
#include "experiments/config/network.hpp"
#include "experiments/pipeline/quantized_model.hpp"
#include "experiments/pipeline/training.hpp"
#include "experiments/results_hdf5.hpp"
#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/plan.hpp"
#include "quant/qat_methods.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/data/data.hpp"
#include "trainer/model_file.hpp"
#include "trainer/onnx/import.hpp"
#include "trainer/onnx/imported_policy.hpp"
#include "trainer/qat.hpp"

namespace bitsmith::experiments {
namespace fs = std::filesystem;
namespace {

constexpr int kBatch = 250;

void name_policy(const quant::Policy& policy, ExportSource& source) {
  source.policy = quant::policy_to_string(policy);
  source.policy_hash = fmt::format("{:016x}", policy.hash());
}

void refuse_option(bool given, const char* option, const std::string& model, const char* why) {
  if (given) throw base::UserError(fmt::format("export: {} does not go with {}: {}", option, model, why));
}

/// A deployed model has its policy, which may be asserted.
ExportSource source_of_model(const ExportRequest& request, const fs::path& file) {
  if (request.fp32)
    throw base::UserError(
        fmt::format("{}: a deployed model has integers alone, not the weights that they were rounded from: "
                    "export the results of "
                    "its run, or the configuration with --checkpoint",
                    file.string()));
  ExportSource source;
  source.deployed = trainer::load_model(file);
  const trainer::DeployedModel& model = *source.deployed;
  if (!request.policy.empty() && quant::policy_from_yaml(model.network, request.policy) != model.policy)
    throw base::UserError(
        fmt::format("{}: is deployed under another policy than {}; it can be exported under its own alone",
                    file.string(), request.policy));
  source.input = model.input;
  source.provenance = model.provenance;
  source.names = take_names(source.provenance);
  name_policy(model.policy, source);
  return source;
}

/// The winner of a run: what lies beside its results.
ExportSource source_of_results(const ExportRequest& request) {
  const fs::path results_file = request.model;
  if (!is_results_file(results_file))
    throw base::UserError(
        fmt::format("{}: is no file of results; a checkpoint goes with its configuration: bitsmith export "
                    "CONFIG --checkpoint {}",
                    request.model, request.model));
  const auto beside = [&](const char* extension) {
    return fs::path(results_file).replace_extension(extension);
  };
  const auto required = [&](const fs::path& file) {
    if (!fs::exists(file))
      throw base::UserError(
          fmt::format("{}: there is no {} beside it: the run is not finished, or trained no network",
                      request.model, file.filename().string()));
    return file;
  };
  if (!request.fp32) return source_of_model(request, required(beside(".bsm")));
  const RunResults results = read_results(results_file);
  if (results.layers.empty()) throw base::UserError(request.model + ": these results name no layers");
  const Config config = parse_config(results.config, request.model + ": config");
  const quant::NetworkInfo info =
      build_network(config.network, results.layers.front().input, results.layers.back().output.channels);
  ExportSource source;
  source.network.emplace(info, 0);
  trainer::load_trained(required(beside(".network.h5")), *source.network);
  if (!request.policy.empty() && quant::policy_from_yaml(info, request.policy) != results.winner.policy)
    throw base::UserError(
        fmt::format("{}: its winner has another policy than {}", request.model, request.policy));
  name_policy(results.winner.policy, source);
  if (fs::exists(beside(".bsm"))) {
    trainer::DeployedModel model = trainer::load_model(beside(".bsm"));
    source.input = std::move(model.input);
    source.provenance = std::move(model.provenance);
    source.names = take_names(source.provenance);
  }
  return source;
}

/// A quantized ONNX model, under its own quantizers.
ExportSource source_of_onnx(const ExportRequest& request, const Reporter& reporter) {
  namespace onnx = trainer::onnx;
  const auto refuse = [&](const std::string& what) {
    throw base::UserError(fmt::format(
        "{}: {}: name it in a configuration (network.model), whose images calibrate it, and export "
        "that with --policy FILE",
        request.model, what));
  };
  if (!request.policy.empty()) refuse("alone it can be exported under its own quantizers");
  onnx::ImportedNetwork imported = onnx::import_file(request.model);
  const quant::Policy policy = onnx::imported_policy(imported);
  if (!policy.quantizes()) refuse("has no quantizers");
  for (std::size_t i = 0; i < policy.layers.size(); ++i)
    if (!policy.layers[i].activation.is_float() &&
        !(imported.bits.at(imported.info.layers[i].name).activation_scale > 0))
      refuse("has no scale for what " + imported.info.layers[i].name + " reads");
  for (const std::string& note : imported.notes) reporter.note(note);
  trainer::Network network(imported.info, 0);
  onnx::put_numbers(imported, network);
  trainer::CalibrationTable scales(static_cast<int>(policy.layers.size()),
                                   static_cast<int>(imported.info.quantize_nodes().size()));
  for (int layer = 0; layer < scales.layers(); ++layer)
    scales.set_signed(layer, imported.info.layers[static_cast<std::size_t>(layer)].input_signed);
  onnx::apply_imported_policy(network, imported, std::move(scales));
  ExportSource source;
  source.names = {imported.input_name, imported.output_name, std::move(imported.metadata)};
  name_policy(policy, source);
  if (request.fp32)
    source.network = std::move(network);
  else
    source.deployed = trainer::deploy(network, quant::lower(network.info(), policy));
  return source;
}

/// The policy that a network computes under; no layers: none, it is fp32.
quant::Policy present_policy(const trainer::Network& network) {
  quant::Policy policy;
  for (std::size_t i = 0; i < network.info().layers.size(); ++i) {
    const trainer::LayerQuantization& q = network.quantization(static_cast<int>(i));
    policy.layers.emplace_back(q.weight_format, q.activation_bits);
  }
  return policy.quantizes() ? policy : quant::Policy{};
}

class ConfiguredNetwork {
 public:
  ConfiguredNetwork(const ExportRequest& request, const Reporter& reporter)
      : request_(request),
        reporter_(reporter),
        config_(load_config(request.model, request.overrides)),
        data_(config_.data),
        network_(build_network(config_.network, data_.shape(), data_.classes()), 0, config_.train.shards) {}

  ExportSource run() && {
    base::set_thread_count(config_.threads);
    load();
    const quant::Policy policy = chosen_policy();
    ExportSource source;
    source.input = {data_.train().normalization(), config_.data.pad};
    if (!policy.layers.empty()) name_policy(policy, source);
    if (request_.fp32) {
      source.network = std::move(network_);
      keep_names(config_.network, source.provenance);
      source.names = take_names(source.provenance);
      return source;
    }
    source.deployed = quantized_model(network_, plan(policy), config_, data_, "export");
    source.provenance = source.deployed->provenance;
    source.names = take_names(source.provenance);
    return source;
  }

 private:
  void load() {
    if (!request_.checkpoint.empty())
      trainer::load_trained(request_.checkpoint, network_);
    else
      load_network(config_, data_, network_);
  }

  /// Applies it, where the network does not compute under it already.
  quant::Policy chosen_policy() {
    const quant::Policy present = present_policy(network_);
    if (request_.policy.empty()) {
      if (present.layers.empty() && !request_.fp32)
        throw base::UserError(
            fmt::format("export: {} is an fp32 network: say how it is quantized (--policy FILE), or export "
                        "it as it is (--format "
                        "fp32)",
                        request_.model));
      return present;
    }
    quant::Policy policy = quant::policy_from_yaml(network_.info(), request_.policy);
    if (!present.layers.empty()) {
      if (policy != present)
        throw base::UserError(fmt::format("export: {} was trained under another policy than {}",
                                          request_.checkpoint, request_.policy));
      return present;
    }
    if (!request_.fp32) apply(policy);
    return policy;
  }

  void apply(const quant::Policy& policy) {
    reporter_.stage("calibrate");
    const quant::QuantizationOptions options = quant::without_training(config_.quantization);
    trainer::EvaluationSource images(data_.train(), kBatch);
    const trainer::CalibrationTable table = trainer::calibrate(network_, images, options);
    trainer::apply_policy(network_, policy, table, options);
  }

  quant::Plan plan(const quant::Policy& policy) const {
    bool dynamic = false;
    for (std::size_t i = 0; i < network_.info().layers.size(); ++i)
      dynamic = dynamic || network_.quantization(static_cast<int>(i)).activation_dynamic;
    return quant::lower(network_.info(), policy, quant::first_capable_kernel(),
                        dynamic ? quant::ActivationScales::dynamic : quant::ActivationScales::fixed);
  }

  const ExportRequest& request_;
  const Reporter& reporter_;
  Config config_;
  trainer::Data data_;
  trainer::Network network_;
};

}  // namespace

ExportSource export_source(const ExportRequest& request, const Reporter& reporter) {
  if (!fs::exists(request.model))
    throw base::UserError(fmt::format("{}: there is no such file", request.model));
  const std::string extension = fs::path(request.model).extension().string();
  if (extension == ".bsm" || extension == ".h5" || extension == ".onnx") {
    const char* why = extension == ".h5" ? "results know their network" : "the model is complete";
    refuse_option(!request.checkpoint.empty(), "--checkpoint", request.model, why);
    refuse_option(!request.overrides.empty(), "--set", request.model, why);
    if (extension == ".onnx") return source_of_onnx(request, reporter);
    return extension == ".bsm" ? source_of_model(request, request.model) : source_of_results(request);
  }
  return ConfiguredNetwork(request, reporter).run();
}

}  // namespace bitsmith::experiments
