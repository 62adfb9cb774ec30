#include "experiments/commands/layer_profile.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "experiments/progress.hpp"
#include "hwmodels/layer_list.hpp"
#include "hwmodels/profiler.hpp"
#include "quant/base/error.hpp"

namespace bitsmith::experiments {

namespace {

const std::string& what(const LayerProfileOptions& options) {
  return options.list.empty() ? options.network.network : options.list;
}

/// A network's layers at the bits that are asked for, alone and in place; how many layers there are.
std::size_t profile_network(const LayerProfileOptions& options, const base::Progress& progress,
                            hwmodels::ProfileReport& report) {
  const quant::NetworkInfo network = load_network(options.network).info;
  hwmodels::BitChoices choices{{}, {}};
  for (const int bits : options.bits) {
    if (bits < 2 || (bits > 8 && bits != quant::kFloatBits))
      throw base::UserError(fmt::format("--bits: got {}, allowed are 2 to 8, and 32 for fp32", bits));
    choices.weight_bits.emplace_back(bits);
    choices.activation_bits.emplace_back(bits);
  }
  hwmodels::profile_to_file(network, choices, options.host, options.host.table, progress, &report);
  return network.layers.size();
}

std::string report_text(const LayerProfileOptions& options, std::size_t layers, bool is_new,
                        const hwmodels::ProfileReport& report) {
  std::string text = fmt::format("{}: {} layers, batch {}: {} entries kept, {} measured{} in {:.1f} s; {}\n",
                                 what(options), layers, options.host.batch, report.kept, report.measured,
                                 report.noisy == 0 ? "" : fmt::format(" ({} of them noisy)", report.noisy),
                                 report.seconds, options.host.table);
  if (is_new) return text;  // of a new table all is missing
  for (const std::string& reason : report.reasons) text += fmt::format("  {}\n", reason);
  return text;
}

std::string report_json(const LayerProfileOptions& options, std::size_t layers,
                        const hwmodels::ProfileReport& report) {
  const nlohmann::ordered_json object{{"list", what(options)},     {"table", options.host.table},
                                      {"layers", layers},          {"batch", options.host.batch},
                                      {"kept", report.kept},       {"measured", report.measured},
                                      {"noisy", report.noisy},     {"seconds", report.seconds},
                                      {"reasons", report.reasons}, {"warnings", report.warnings}};
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// One line on a terminal, else nothing: there is little to tell of minutes.
ProgressStyle style(bool quiet) {
  const ProgressStyle usual = progress_style(quiet);
  return usual == ProgressStyle::line ? usual : ProgressStyle::silent;
}

}  // namespace

void add_layer_profile_options(CLI::App& command, LayerProfileOptions& options) {
  constexpr int kMaxBatch = 1024, kMaxSamples = 1000;
  constexpr double kLeastMs = 0.001, kMaxMs = 1000;
  CLI::Option& config = *command.get_option("config");
  CLI::Option& layers = *command
                             .add_option("--layers", options.list,
                                         "in place of CONFIG: a list of layers, each line `name kind in_ch "
                                         "out_ch in_hw kernel stride groups`, kind conv or fc")
                             ->type_name("LAYERS.tsv");
  config.required(false);
  add_network_options(command, options.network);
  CLI::Option& network = *command.get_option("--network");
  for (const char* of_a_run : {"config", "--set", "--output", "--resume", "--fresh"}) {
    layers.excludes(command.get_option(of_a_run));
    network.excludes(command.get_option(of_a_run));
  }
  network.excludes(&layers);
  command
      .add_option("--bits", options.bits, "of --network: which bits of weights and activations, a list (8)")
      ->delimiter(',')
      ->needs(&network);
  CLI::Option& table =
      *command
           .add_option("--table", options.host.table,
                       "of --layers or --network: the latency table, HDF5; made or completed")
           ->type_name("FILE.h5");
  layers.needs(&table);
  network.needs(&table);
  command
      .add_option("--batch", options.host.batch,
                  fmt::format("of --layers or --network: images per call, 1 to {} (1)", kMaxBatch))
      ->check(CLI::Range(1, kMaxBatch))
      ->needs(&table);
  command
      .add_option("--samples", options.host.samples,
                  fmt::format("of --layers or --network: timings per entry, 1 to {} ({})", kMaxSamples,
                              options.host.samples))
      ->check(CLI::Range(1, kMaxSamples))
      ->needs(&table);
  command
      .add_option("--sample-ms", options.host.sample_ms,
                  fmt::format("of --layers or --network: length of one timing in ms, {} to {} ({})", kLeastMs,
                              kMaxMs, options.host.sample_ms))
      ->check(CLI::Range(kLeastMs, kMaxMs))
      ->needs(&table);
}

void profile_layers(const LayerProfileOptions& options, bool json, bool quiet, const Streams& streams) {
  std::vector<quant::NetworkInfo> layers;
  if (!options.list.empty()) layers = hwmodels::read_layer_list(options.list);
  std::size_t count = layers.size();
  std::error_code code;
  const bool is_new = !std::filesystem::exists(options.host.table, code);
  hwmodels::ProfileReport report;
  {
    ProgressPrinter printer(streams.err, style(quiet));
    printer.stage("profile");
    if (options.list.empty())
      count = profile_network(options, printer.callback(), report);
    else
      hwmodels::profile_layers_to_file(layers, options.host, options.host.table, printer.callback(), &report);
    for (const std::string& warning : report.warnings) printer.warning(warning);
  }
  streams.out << (json ? report_json(options, count, report) : report_text(options, count, is_new, report));
}

}  // namespace bitsmith::experiments
