#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/text_table.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "hwmodels/measurement.hpp"
#include "quant/base/error.hpp"

namespace bitsmith::experiments {

namespace {

using hwmodels::Entry;
using hwmodels::EntryKey;
using hwmodels::LatencyTable;
using Align = TextTable::Align;

std::string bits_text(quant::LayerBits bits) {
  const auto one = [](int value) { return value == quant::kFloatBits ? "fp32" : fmt::format("{}", value); };
  return one(bits.weight) + "/" + one(bits.activation);
}

/// Of all kernels that serve at least these bits in this place the least price: what a host model may charge.
double effective_us(const LatencyTable& table, const EntryKey& key, const Entry& entry) {
  double least = entry.price_us();
  for (const auto& [other, candidate] : table.entries()) {
    const bool alike = other.step == key.step && other.batch == key.batch && other.threads == key.threads &&
                       other.state == key.state;
    const bool floats =
        (other.bits.weight == quant::kFloatBits) != (key.bits.weight == quant::kFloatBits) ||
        (other.bits.activation == quant::kFloatBits) != (key.bits.activation == quant::kFloatBits);
    if (alike && !floats && other.bits.weight >= key.bits.weight &&
        other.bits.activation >= key.bits.activation)
      least = std::min(least, candidate.price_us());
  }
  return least;
}

struct ShowOptions {
  std::string file, step;
  bool json = false;
};

std::string provenance_text(const LatencyTable& table) {
  const hwmodels::Provenance& from = table.provenance;
  const hwmodels::Canary canary = hwmodels::median_canary(table.canaries);
  return fmt::format(
      "{}; L1d {} KiB, L2 {} KiB, L3 {} KiB; {}; oneDNN {}; {}; bitsmith {}, {}\n"
      "Canaries, medians of {}: clock {:.3f} ns, vectors {:.3f} ns, caches {:.2f} ns\n",
      from.cpu, from.l1d_bytes >> 10, from.l2_bytes >> 10, from.l3_bytes >> 10, from.isa, from.onednn,
      from.compiler, from.program, from.build, table.canaries.size(), canary.chain_ns, canary.vector_ns,
      canary.stream_ns);
}

void show(const ShowOptions& options, const Streams& streams) {
  const LatencyTable table = hwmodels::load_latency_table(options.file);
  TextTable rows({{"step", Align::left},
                  {"kernel", Align::left},
                  {"w/a bits"},
                  {"batch"},
                  {"state", Align::left},
                  {"median us"},
                  {"min us"},
                  {"spread %"},
                  {"samples"},
                  {"effective us"}});
  auto list = nlohmann::ordered_json::array();
  std::size_t shown = 0, quiet = 0;
  for (const auto& [key, entry] : table.entries()) {
    if (key.step.find(options.step) == std::string::npos) continue;
    ++shown;
    quiet += entry.spread <= hwmodels::MeasurementOptions{}.max_spread;
    const double effective = effective_us(table, key, entry);
    if (options.json)
      list.push_back({{"step", key.step},
                      {"kernel", key.kernel},
                      {"weight_bits", key.bits.weight},
                      {"activation_bits", key.bits.activation},
                      {"batch", key.batch},
                      {"threads", key.threads},
                      {"state", hwmodels::cache_state_name(key.state)},
                      {"median_us", entry.median_us},
                      {"min_us", entry.min_us},
                      {"spread", entry.spread},
                      {"samples_us", entry.samples_us},
                      {"effective_us", effective}});
    else
      rows.add({key.step, key.kernel, bits_text(key.bits), std::to_string(key.batch),
                std::string(hwmodels::cache_state_name(key.state)), fmt::format("{:.3f}", entry.median_us),
                fmt::format("{:.3f}", entry.min_us), fmt::format("{:.1f}", 100 * entry.spread),
                std::to_string(entry.samples_us.size()), fmt::format("{:.3f}", effective)});
  }
  if (options.json) {
    const nlohmann::ordered_json object{{"cpu", table.provenance.cpu},
                                        {"isa", table.provenance.isa},
                                        {"fingerprint", table.fingerprint()},
                                        {"entries", std::move(list)}};
    streams.out << object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    return;
  }
  streams.out << provenance_text(table) << rows.text()
              << fmt::format("{} of {} entries, {} of them within 5 % of their minimum\n", shown,
                             table.entries().size(), quiet);
}

struct MergeOptions {
  std::string output;
  std::vector<std::string> files;
};

void merge(const MergeOptions& options, const Streams& streams) {
  if (std::filesystem::exists(options.output))
    throw base::UserError(options.output + ": exists; merge writes a new file");
  LatencyTable merged = hwmodels::load_latency_table(options.files.front());
  std::size_t replaced = 0;
  for (std::size_t i = 1; i < options.files.size(); ++i) {
    const LatencyTable table = hwmodels::load_latency_table(options.files[i]);
    const auto reasons = hwmodels::differences(merged.provenance, table.provenance);
    if (!reasons.empty())
      throw base::UserError(fmt::format("{} cannot be merged with {}: {}", options.files[i],
                                        options.files.front(), fmt::join(reasons, "; ")));
    for (const auto& [key, entry] : table.entries()) {
      const Entry* present = merged.find(key);
      if (present != nullptr && present->measured_at >= entry.measured_at) continue;
      replaced += present != nullptr;
      merged.set(key, entry);
    }
    merged.canaries.insert(merged.canaries.end(), table.canaries.begin(), table.canaries.end());
  }
  hwmodels::save_latency_table(merged, options.output);
  streams.out << fmt::format("{}: {} entries of {} tables; of {} that several had, the newest\n",
                             options.output, merged.entries().size(), options.files.size(), replaced);
}

struct DiffOptions {
  std::string first, second;
  double least_percent = 5;
};

void diff(const DiffOptions& options, const Streams& streams) {
  const LatencyTable first = hwmodels::load_latency_table(options.first);
  const LatencyTable second = hwmodels::load_latency_table(options.second);
  for (const std::string& reason : hwmodels::differences(first.provenance, second.provenance))
    streams.out << reason << "\n";
  TextTable rows({{"entry", Align::left}, {"first us"}, {"second us"}, {"change %"}});
  std::vector<double> ratios;
  std::size_t only_first = 0, changed = 0;
  for (const auto& [key, entry] : first.entries()) {
    const Entry* other = second.find(key);
    if (other == nullptr) {
      ++only_first;
      continue;
    }
    if (!(entry.price_us() > 0)) continue;
    ratios.push_back(other->price_us() / entry.price_us());
    const double percent = 100 * (ratios.back() - 1);
    if (std::abs(percent) < options.least_percent) continue;
    ++changed;
    rows.add({hwmodels::to_string(key), fmt::format("{:.3f}", entry.price_us()),
              fmt::format("{:.3f}", other->price_us()), fmt::format("{:+.1f}", percent)});
  }
  if (changed > 0) streams.out << rows.text();
  streams.out << fmt::format(
      "{} entries in both, {} of them differ by {:g} % or more{}; {} in the first alone, {} in the second\n",
      ratios.size(), changed, options.least_percent,
      ratios.empty() ? "" : fmt::format(", median {:+.1f} %", 100 * (hwmodels::median(ratios) - 1)),
      only_first, second.entries().size() + only_first - first.entries().size());
}

}  // namespace

void add_table_command(CLI::App& program, const Streams& streams) {
  CLI::App& command =
      *program.add_subcommand("table", "Look at, merge or compare tables of measured latencies");
  command.require_subcommand(1);

  CLI::App& show_command = *command.add_subcommand("show", "Print a table: every entry, raw and effective");
  const auto show_options = std::make_shared<ShowOptions>();
  show_command.add_option("file", show_options->file, "latency table, HDF5")->required()->type_name("FILE");
  show_command.add_option("--step", show_options->step, "only steps whose key contains this")
      ->type_name("TEXT");
  show_command.add_flag("--json", show_options->json, "print one JSON object, samples included");
  show_command.callback([show_options, streams] { show(*show_options, streams); });

  CLI::App& merge_command =
      *command.add_subcommand("merge", "Make one table of several of the same machine and program");
  const auto merge_options = std::make_shared<MergeOptions>();
  merge_command.add_option("output", merge_options->output, "new file")->required()->type_name("OUTPUT");
  merge_command.add_option("files", merge_options->files, "latency tables")->required()->type_name("FILE...");
  merge_command.callback([merge_options, streams] { merge(*merge_options, streams); });

  CLI::App& diff_command = *command.add_subcommand("diff", "Compare the prices of two tables");
  const auto diff_options = std::make_shared<DiffOptions>();
  diff_command.add_option("first", diff_options->first, "latency table")->required()->type_name("FIRST");
  diff_command.add_option("second", diff_options->second, "latency table")->required()->type_name("SECOND");
  diff_command
      .add_option("--least", diff_options->least_percent, "percent from which a change is listed (5)")
      ->check(CLI::NonNegativeNumber);
  diff_command.callback([diff_options, streams] { diff(*diff_options, streams); });
}

}  // namespace bitsmith::experiments
