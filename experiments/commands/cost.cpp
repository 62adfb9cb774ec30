#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/commands/network_argument.hpp"
#include "experiments/progress.hpp"
#include "experiments/text_table.hpp"
#include "hwmodels/cost_model_table.hpp"
#include "hwmodels/profiler.hpp"
#include "quant/base/error.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::experiments {
namespace {

using Json = nlohmann::ordered_json;

struct CostOptions {
  NetworkArgument network;
  std::string policy;  ///< empty: the model's own, else uniform:8
  std::vector<std::string> hardware = {"size", "bops"};
  hwmodels::HostOptions host;
  bool json = false, quiet = false;
};

/// The bits that a policy has anywhere.
hwmodels::BitChoices bits_of(const quant::Policy& policy) {
  hwmodels::BitChoices choices{{}, {}};
  for (const quant::LayerFormats& layer : policy.layers) {
    choices.weight_bits.push_back(layer.weight);
    choices.activation_bits.push_back(layer.activation);
  }
  for (auto* bits : {&choices.weight_bits, &choices.activation_bits}) {
    std::sort(bits->begin(), bits->end());
    bits->erase(std::unique(bits->begin(), bits->end()), bits->end());
  }
  return choices;
}

struct Priced {
  hwmodels::CostModel* model = nullptr;
  hwmodels::Cost cost;
};

std::string number(double value) { return fmt::format("{:.6g}", value); }

Json to_json(const CostOptions& options, const quant::NetworkInfo& network, const quant::Policy& policy,
             const std::vector<Priced>& all) {
  Json object{{"network", network.name}, {"policy", options.policy}, {"batch", options.host.batch}};
  object["layers"] = Json::array();
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const quant::LayerInfo& layer = network.layers[i];
    Json row{{"name", layer.name},
             {"kind", quant::layer_kind_name(layer.kind)},
             {"macs", layer.macs()},
             {"weights", layer.weights()},
             {"weight_bits", quant::format_json<Json>(policy.layers[i].weight)},
             {"activation_bits", quant::format_json<Json>(policy.layers[i].activation)}};
    for (const Priced& priced : all)
      for (std::size_t m = 0; i < priced.cost.layers.size() && m < priced.model->metrics().size(); ++m)
        row[priced.model->metrics()[m].name] = priced.cost.layers[i].values[m];
    object["layers"].push_back(std::move(row));
  }
  for (const Priced& priced : all)
    for (std::size_t m = 0; m < priced.model->metrics().size(); ++m)
      object["totals"][priced.model->metrics()[m].name] = priced.cost.totals[m];
  return object;
}

std::string to_text(const quant::NetworkInfo& network, const quant::Policy& policy,
                    const std::vector<Priced>& all) {
  std::vector<TextTable::Column> columns = {{"layer", TextTable::Align::left},
                                            {"kind", TextTable::Align::left},
                                            {"MMAC"},
                                            {"weights"},
                                            {"W"},
                                            {"A"}};
  for (const Priced& priced : all)
    for (const hwmodels::Metric& metric : priced.model->metrics()) columns.push_back({metric.name});
  TextTable table(columns);
  double macs = 0, weights = 0;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const quant::LayerInfo& layer = network.layers[i];
    macs += static_cast<double>(layer.macs());
    weights += static_cast<double>(layer.weights());
    std::vector<std::string> cells = {layer.name,
                                      std::string(quant::layer_kind_name(layer.kind)),
                                      fmt::format("{:.3f}", static_cast<double>(layer.macs()) / 1e6),
                                      fmt::format("{}", layer.weights()),
                                      std::string(policy.layers[i].weight.name()),
                                      std::string(policy.layers[i].activation.name())};
    for (const Priced& priced : all)
      for (std::size_t m = 0; m < priced.model->metrics().size(); ++m)
        cells.push_back(i < priced.cost.layers.size() ? number(priced.cost.layers[i].values[m]) : "");
    table.add(std::move(cells));
  }
  std::vector<std::string> total = {
      "total", "", fmt::format("{:.3f}", macs / 1e6), fmt::format("{:.0f}", weights), "", ""};
  for (const Priced& priced : all)
    for (const double value : priced.cost.totals) total.push_back(number(value));
  table.add(std::move(total));
  return table.text();
}

void cost(CostOptions options, const Streams& streams) {
  const NamedNetwork named = load_network(options.network);
  const quant::NetworkInfo& network = named.info;
  const bool of_model = options.policy.empty() && named.policy;
  if (options.policy.empty()) options.policy = of_model ? "of the model" : "uniform:8";
  const quant::Policy policy = of_model ? *named.policy : policy_argument(network, options.policy);
  hwmodels::CostModelContext context{network, {}, options.host, {}, bits_of(policy), nullptr};
  hwmodels::LatencyTable table;
  const bool measured = std::ranges::find(options.hardware, "host") != options.hardware.end();
  if (measured) {
    if (options.host.table.empty())
      throw base::UserError(
          "cost: the hardware host has measured prices; say in which file: --table FILE.h5");
    ProgressPrinter printer(streams.err, progress_style(options.quiet));
    printer.stage("profile");
    hwmodels::ProfileReport report;
    table = hwmodels::profile_to_file(network, context.choices, options.host, options.host.table,
                                      printer.callback(), &report);
    for (const std::string& warning : report.warnings) printer.warning(warning);
    context.table = &table;
  }
  std::vector<std::unique_ptr<hwmodels::CostModel>> models;
  std::vector<Priced> all;
  for (const std::string& name : options.hardware) {
    models.push_back(hwmodels::make_cost_model(name, context));
    all.push_back({models.back().get(), models.back()->price(network, policy)});
  }
  if (options.json)
    streams.out << to_json(options, network, policy, all).dump(2, ' ', false, Json::error_handler_t::replace)
                << "\n";
  else
    streams.out << to_text(network, policy, all);
}

}  // namespace

void add_cost_command(CLI::App& program, const Streams& streams) {
  constexpr int kMaxBatch = 1024;
  CLI::App& command =
      *program.add_subcommand("cost", "What a network costs under a policy, layer by layer; needs no images");
  const auto options = std::make_shared<CostOptions>();
  add_network_options(command, options->network);
  command.get_option("--network")->required();
  command.add_option(
      "--policy", options->policy,
      "fp32, uniform:BITS, uniform:WEIGHTS,ACTIVATIONS, or the file of a policy (what a quantized ONNX "
      "model says; else uniform:8)");
  std::string names;
  for (const hwmodels::CostModelRow& row : hwmodels::cost_model_rows())
    if (row.name != "command") names += (names.empty() ? "" : ", ") + std::string(row.name);
  command
      .add_option("--hardware", options->hardware,
                  "cost models, a list with commas: " + names + " (size,bops)")
      ->delimiter(',');
  command.add_option("--batch", options->host.batch, "images per inference (1)")
      ->check(CLI::Range(1, kMaxBatch));
  command
      .add_option("--table", options->host.table,
                  "of the hardware host: the latency table, made or completed")
      ->type_name("FILE.h5");
  command.add_option("--samples", options->host.samples, "of the hardware host: timings per entry (9)")
      ->check(CLI::Range(1, 1000));
  command.add_flag("--json", options->json, "print one JSON object: layers and totals");
  command.add_flag("--quiet", options->quiet, "no progress on standard error");
  command.callback([options, streams] { cost(*options, streams); });
}

}  // namespace bitsmith::experiments
