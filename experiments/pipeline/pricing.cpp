#include "experiments/pipeline/pricing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "hwmodels/cost_model_table.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "hwmodels/profiler.hpp"

namespace bitsmith::experiments {
namespace {

std::vector<quant::Format> with(std::vector<quant::Format> bits, std::initializer_list<int> more) {
  for (const int extra : more)
    if (extra > 0) bits.emplace_back(extra);
  std::sort(bits.begin(), bits.end());
  bits.erase(std::unique(bits.begin(), bits.end()), bits.end());
  return bits;
}

/// The search's choices, the pinned layers' bits, and those of the uniform policies that every run is
/// compared with.
hwmodels::BitChoices priced_bits(const Config& config) {
  const auto& pins = config.quantization;
  return {with(config.search.weight_bits, {4, 6, 8, pins.first_layer_bits, pins.last_layer_bits}),
          with(config.search.activation_bits, {4, 6, 8, pins.first_layer_bits, pins.last_layer_bits})};
}

hwmodels::LatencyTable host_table(const Config& config, const quant::NetworkInfo& network,
                                  const hwmodels::BitChoices& choices, const Workspace& workspace,
                                  const Reporter& reporter, Prices prices) {
  if (prices == Prices::of_the_run && std::filesystem::exists(workspace.prices()))
    return hwmodels::load_latency_table(workspace.prices());
  const std::filesystem::path file = config.hardware.host.table.empty()
                                         ? workspace.file("latency.h5")
                                         : std::filesystem::path(config.hardware.host.table);
  const bool existed = std::filesystem::exists(file);
  hwmodels::ProfileReport report;
  auto table =
      hwmodels::profile_to_file(network, choices, config.hardware.host, file, reporter.progress, &report);
  reporter.note(fmt::format("{} kernel latencies measured{}, {} kept from {}", report.measured,
                            report.noisy == 0 ? "" : fmt::format(" ({} of them noisy)", report.noisy),
                            report.kept, file.string()));
  if (existed)
    for (const auto& reason : report.reasons) reporter.note(reason);
  for (const auto& warning : report.warnings) reporter.warning(warning);
  if (prices == Prices::of_the_run) hwmodels::save_latency_table(table, workspace.prices());
  return table;
}

}  // namespace

Pricing make_pricing(const Config& config, const quant::NetworkInfo& network, const Workspace& workspace,
                     const Reporter& reporter, Prices prices) {
  Pricing pricing;
  hwmodels::CostModelContext context{
      network, config.quantization, config.hardware.host, config.hardware.program, priced_bits(config),
      nullptr};
  std::vector<std::string> names = config.hardware.models;
  if (!config.hardware.program.command.empty() && !config.hardware.has_model("command"))
    names.emplace_back("command");
  if (config.hardware.has_model("host")) {
    pricing.table = host_table(config, network, context.choices, workspace, reporter, prices);
    context.table = &pricing.table;
  }
  std::vector<std::unique_ptr<hwmodels::CostModel>> models;
  for (const std::string& name : names) {
    models.push_back(hwmodels::make_cost_model(name, context));
    if (const auto* host = dynamic_cast<const hwmodels::HostModel*>(models.back().get())) pricing.host = host;
  }
  pricing.models = std::make_unique<hwmodels::CostModels>(std::move(models));
  return pricing;
}

}  // namespace bitsmith::experiments
