#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/pipeline/export_source.hpp"
#include "experiments/progress.hpp"
#include "hwmodels/provenance.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/nearest.hpp"
#include "trainer/onnx/aimet_encodings.hpp"
#include "trainer/onnx/export.hpp"
#include "trainer/onnx/file.hpp"
#include "trainer/policy_json.hpp"

namespace bitsmith::experiments {

namespace {

struct ExportOptions {
  ExportRequest request;
  std::string format = "qdq", output;
  bool json = false, quiet = false;
};

/// What is made, in bytes, and what of it is not as the policy says.
struct ExportedFile {
  std::string bytes;
  std::int64_t opset = 0;  ///< 0: no ONNX
  std::size_t nodes = 0;
  std::vector<std::string> remarks;
};

trainer::onnx::ExportNames names_of(const ExportSource& source, const std::string& format) {
  trainer::onnx::ExportNames names;
  names.input = source.names.input;
  names.output = source.names.output;
  for (const auto& entry : source.names.metadata)
    if (!entry.first.starts_with("bitsmith.")) names.metadata.push_back(entry);
  names.producer_version = hwmodels::current_provenance().program;
  const auto tell = [&](const std::string& key, std::string value) {
    if (!value.empty()) names.metadata.emplace_back("bitsmith." + key, std::move(value));
  };
  const auto& [mean, deviation] = source.input.normalization;
  tell("format", format);
  tell("policy", source.policy);
  tell("policy_hash", source.policy_hash);
  tell("input.mean", fmt::format("{}", fmt::join(mean, ", ")));
  tell("input.deviation", fmt::format("{}", fmt::join(deviation, ", ")));
  tell("input.pad", fmt::format("{}", source.input.pad));
  for (const auto& [what, value] : source.provenance) tell("provenance." + what, value);
  return names;
}

ExportedFile onnx_file(const trainer::onnx::Model& model, std::vector<std::string> remarks) {
  return {trainer::onnx::model_to_bytes(model), model.opset, model.graph.nodes.size(), std::move(remarks)};
}

ExportedFile quantized_file(const ExportSource& source, trainer::onnx::Dialect dialect,
                            const std::string& name) {
  trainer::onnx::Exported exported =
      trainer::onnx::export_quantized(*source.deployed, dialect, names_of(source, name));
  return onnx_file(exported.model, std::move(exported.emulated));
}

/// A way to write a model down.
struct FormatRow {
  std::string_view name;
  bool fp32;  ///< takes the trained network, else the deployed one
  const char* what;
  ExportedFile (*make)(const ExportSource& source);
};

constexpr FormatRow formats[] = {
    {"qdq", false, "ONNX with QuantizeLinear and DequantizeLinear",
     [](const ExportSource& source) { return quantized_file(source, trainer::onnx::Dialect::qdq, "qdq"); }},
    {"qdq-int4", false,
     "the same with activations of up to 4 bits as uint4 and int4, which ONNX Runtime 1.30 gets wrong",
     [](const ExportSource& source) {
       return quantized_file(source, trainer::onnx::Dialect::qdq_int4, "qdq-int4");
     }},
    {"qonnx", false, "ONNX with Quant and BipolarQuant, for FINN and hls4ml",
     [](const ExportSource& source) {
       return quantized_file(source, trainer::onnx::Dialect::qonnx, "qonnx");
     }},
    {"fp32", true, "ONNX of the trained weights, not quantized",
     [](const ExportSource& source) {
       return onnx_file(trainer::onnx::export_fp32(*source.network, names_of(source, "fp32")), {});
     }},
    {"policy-json", false, "the policy with scales and ranges, JSON",
     [](const ExportSource& source) {
       return ExportedFile{trainer::policy_json(*source.deployed), 0, 0, {}};
     }},
    {"aimet", false, "the same as AIMET's encodings, for the ONNX file of fp32",
     [](const ExportSource& source) {
       trainer::onnx::AimetEncodings encodings =
           trainer::onnx::aimet_encodings(*source.deployed, names_of(source, "aimet"));
       return ExportedFile{std::move(encodings.json), 0, 0, std::move(encodings.left_out)};
     }},
};

const FormatRow& format_named(const std::string& name) {
  std::vector<std::string> names;
  for (const FormatRow& row : formats) {
    if (row.name == name) return row;
    names.emplace_back(row.name);
  }
  throw base::UserError(fmt::format("export: there is no format '{}'{}; allowed: {}", name,
                                    base::did_you_mean(name, names), base::join_names(names)));
}

std::string list_of_formats() {
  std::string text;
  for (const FormatRow& row : formats)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", row.name, row.what);
  return text;
}

std::string json_of(const ExportOptions& options, const ExportSource& source, const ExportedFile& file) {
  using Json = nlohmann::ordered_json;
  const auto known = [](const auto& value, bool is_known) { return is_known ? Json(value) : Json(nullptr); };
  const Json object{{"model", options.request.model},
                    {"format", options.format},
                    {"output", options.output},
                    {"bytes", file.bytes.size()},
                    {"opset", known(file.opset, file.opset > 0)},
                    {"nodes", known(file.nodes, file.opset > 0)},
                    {"policy", known(source.policy, !source.policy.empty())},
                    {"policy_hash", known(source.policy_hash, !source.policy_hash.empty())},
                    {"remarks", file.remarks}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const ExportOptions& options, const ExportedFile& file) {
  constexpr double kBytesPerKib = 1024.0;
  const std::string graph = file.opset > 0 ? fmt::format(", opset {}, {} nodes", file.opset, file.nodes) : "";
  return fmt::format("{}: {}{}, {:.1f} KiB\n", options.output, options.format, graph,
                     static_cast<double>(file.bytes.size()) / kBytesPerKib);
}

void refuse_to_replace_inputs(const ExportOptions& options) {
  namespace fs = std::filesystem;
  const ExportRequest& request = options.request;
  for (const std::string& input : {request.model, request.policy, request.checkpoint}) {
    std::error_code unknown;  // neither exists: then nothing is replaced
    if (!input.empty() && fs::equivalent(input, options.output, unknown))
      throw base::UserError(fmt::format("export: --output {} is what is exported", options.output));
  }
}

void run_export(ExportOptions options, const Streams& streams) {
  const FormatRow& row = format_named(options.format);
  options.request.fp32 = row.fp32;
  ProgressPrinter printer(streams.err, progress_style(options.quiet));
  Reporter reporter;
  reporter.progress = printer.callback();
  reporter.stage = [&](std::string_view name) { printer.stage(std::string(name)); };
  reporter.note = [&](std::string_view fact) { printer.message(std::string(fact)); };
  reporter.warning = [&](std::string_view fact) { printer.warning(std::string(fact)); };
  refuse_to_replace_inputs(options);
  const ExportSource source = export_source(options.request, reporter);
  const ExportedFile file = row.make(source);
  base::replace_file(options.output, file.bytes);
  for (const std::string& remark : file.remarks) printer.warning(remark);
  streams.out << (options.json ? json_of(options, source, file) + "\n" : text_of(options, file));
}

}  // namespace

void add_export_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand(
      "export",
      "Write a network for other runtimes and tools: ONNX, quantized or not; its policy with scales");
  const auto options = std::make_shared<ExportOptions>();
  command
      .add_option(
          "model", options->request.model,
          "a deployed model, .bsm (all but fp32: it has no other weights than its integers); the results of "
          "a run, .h5: its winner, of which x.bsm and x.network.h5 must lie beside x.h5; an ONNX model under "
          "its own quantizers; or a configuration, YAML: its trained network, from its work folder or "
          "--checkpoint")
      ->required()
      ->type_name("MODEL");
  command.add_option("--format", options->format, list_of_formats())
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option(
          "--policy", options->request.policy,
          "YAML: the bits of a configuration's fp32 network, which is calibrated on its training images and "
          "rounded to nearest (no step of `ptq` is taken); what was quantized before keeps its own policy")
      ->type_name("FILE");
  command
      .add_option(
          "--checkpoint", options->request.checkpoint,
          "weights of a configuration's network, with the policy that they were trained under: x.qat.h5, "
          "x.network.h5, or one of a work folder")
      ->type_name("FILE");
  command.add_option("--output", options->output, "file to write; one that is there is replaced")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--set", options->request.overrides, "override a key of the configuration; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_flag("--json", options->json, "print what was written as one JSON object");
  command.add_flag("--quiet", options->quiet, "no progress on standard error");
  command.callback([options, streams] { run_export(*options, streams); });
}

}  // namespace bitsmith::experiments
