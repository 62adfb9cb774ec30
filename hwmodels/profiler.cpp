#include "hwmodels/profiler.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "hwmodels/candidates.hpp"
#include "hwmodels/in_place.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "hwmodels/lone_measurement.hpp"
#include "hwmodels/measurement.hpp"
#include "hwmodels/renewal.hpp"
#include "hwmodels/stopwatch.hpp"
#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr std::uint64_t kSeed = 1;                                // of orders; prices do not depend on it
constexpr std::int64_t kMostActivations = std::int64_t{1} << 27;  // of a batch; 512 MiB of fp32

void check(const HostOptions& options) {
  const auto refuse = [](const char* key, double got, const char* allowed) {
    throw base::UserError(fmt::format("host {}: got {:g}, allowed is {}", key, got, allowed));
  };
  if (options.batch < 1 || options.batch > 65536) refuse("batch", options.batch, "1 to 65536");
  if (options.samples < 1 || options.samples > 10000) refuse("samples", options.samples, "1 to 10000");
  if (!(options.sample_ms > 0 && options.sample_ms <= 10000))
    refuse("sample_ms", options.sample_ms, "> 0 to 10000");
  if (!(options.max_age_days >= 0)) refuse("max_age_days", options.max_age_days, ">= 0");
  if (!(options.canary_tolerance > 0)) refuse("canary_tolerance", options.canary_tolerance, "> 0");
}

void check_activations(std::span<const quant::NetworkInfo> lone_layers, int batch) {
  for (const quant::NetworkInfo& network : lone_layers)
    for (const quant::Node& node : network.nodes)
      if (node.output.elements() > kMostActivations / batch)
        throw base::UserError(fmt::format("layer '{}': {} activations an image, allowed at batch {} are {}",
                                          network.name, node.output.elements(), batch,
                                          kMostActivations / batch));
}

MeasurementOptions measurement_options(const HostOptions& options) {
  MeasurementOptions how;
  how.samples = options.samples;
  how.sample_ms = options.sample_ms;
  how.seed = kSeed;
  return how;
}

EntryKey in_state(EntryKey key, CacheState state) {
  key.state = state;
  return key;
}

bool lacks(const LatencyTable& table, const EntryKey& key) { return table.find(key) == nullptr; }

/// The candidates whose lone entries are not all there.
std::vector<Candidate> lacking_alone(const LatencyTable& table, const std::vector<Candidate>& candidates) {
  std::vector<Candidate> lacking;
  for (const Candidate& candidate : candidates)
    if (std::ranges::any_of(lone_keys(candidate), [&](const EntryKey& key) { return lacks(table, key); }))
      lacking.push_back(candidate);
  return lacking;
}

MeasuredCount measure_network(const quant::NetworkInfo& network, const StepCatalog& catalog,
                              std::span<const Candidate> candidates, std::span<const EntryKey> keys,
                              const MeasurementOptions& options, LatencyTable& table,
                              const std::function<void(int, int)>& progress) {
  const InPlaceMeasurement measured = measure_in_place(network, catalog, candidates, keys, options, progress);
  const std::int64_t date = unix_time();
  MeasuredCount count;
  for (const auto& [key, timing] : measured.timings) {
    count.noisy += timing.spread() > options.max_spread;
    table.set(key, entry_of(timing, date));
    ++count.entries;
  }
  table.canaries.insert(table.canaries.end(), measured.canaries.begin(), measured.canaries.end());
  return count;
}

ProfileReport begin_report(LatencyTable& table, std::span<const EntryKey> needed,
                           const HostOptions& options) {
  Renewal renewal = renew(table, needed, options);
  ProfileReport report;
  report.reasons = std::move(renewal.reasons);
  report.warnings = std::move(renewal.warnings);
  return report;
}

void add(ProfileReport& report, const MeasuredCount& count) {
  report.measured += count.entries;
  report.noisy += count.noisy;
}

/// Runs a profile with the table that a file keeps.
template <class Profile>
LatencyTable with_file(const std::filesystem::path& file, ProfileReport* report, const Profile& profile_it) {
  LatencyTable table;
  std::error_code code;
  if (std::filesystem::exists(file, code)) {
    table = load_latency_table(file);
    const auto others = machine_differences(table.provenance, current_provenance());
    if (!others.empty())
      throw base::UserError(
          fmt::format("{}: measured on another machine, and kept: name another table, or delete this one to "
                      "measure here\n  {}",
                      file.string(), fmt::join(others, "\n  ")));
  }
  ProfileReport done =
      profile_it(table, [&](const LatencyTable& so_far) { save_latency_table(so_far, file); });
  if (report != nullptr) *report = std::move(done);
  return table;
}

}  // namespace

ProfileReport profile(const quant::NetworkInfo& network, const BitChoices& choices,
                      const HostOptions& options, LatencyTable& table,
                      const std::function<void(const LatencyTable&)>& checkpoint,
                      const base::Progress& progress) {
  check(options);
  const std::int64_t start = now_ns();
  const StepCatalog catalog = enumerate_steps(network, choices);
  const std::vector<Candidate> candidates = find_candidates(network, catalog, choices, options.batch);
  const CacheState resident = resident_state(network, options.batch);
  const auto is_contender = [&](const Candidate& candidate) {
    return candidate.row == nullptr || !is_outclassed(table, candidate.layer(), *candidate.row,
                                                      candidate.step.from, candidate.step.to, candidate.key);
  };
  const auto keys_needed = [&] {
    std::vector<EntryKey> keys;
    for (const Candidate& candidate : candidates) {
      for (EntryKey& key : lone_keys(candidate)) keys.push_back(std::move(key));
      if (is_contender(candidate)) keys.push_back(in_state(candidate.key, resident));
    }
    return keys;
  };
  ProfileReport report = begin_report(table, keys_needed(), options);
  const std::vector<Candidate> alone = lacking_alone(table, candidates);
  const auto in_place_count = std::ranges::count_if(candidates, [&](const Candidate& candidate) {
    return lacks(table, in_state(candidate.key, resident));
  });

  const MeasurementOptions how = measurement_options(options);
  const double total = static_cast<double>(std::ssize(alone) + in_place_count);
  const auto save = [&] {
    if (checkpoint) checkpoint(table);
  };
  const auto measure_all = [&] {
    add(report,
        measure_alone(alone, how, table, save, [&](double done) { progress("kernel", done, total, ""); }));
    std::vector<Candidate> contenders;
    std::ranges::copy_if(candidates, std::back_inserter(contenders), is_contender);
    std::vector<EntryKey> in_place;
    for (const Candidate& candidate : contenders)
      if (EntryKey key = in_state(candidate.key, resident); lacks(table, key))
        in_place.push_back(std::move(key));
    const auto in_place_progress = [&](int done, int of) {
      progress("kernel", static_cast<double>(alone.size()) + static_cast<double>(in_place_count) * done / of,
               total, "");
    };
    add(report, measure_network(network, catalog, contenders, in_place, how, table, in_place_progress));
    if (total > 0) progress("kernel", total, total, "");
    save();
  };
  // One body: it runs on this thread, and has told OpenMP, and so oneDNN, to use no other.
  base::parallel_for(1, [&](int) { measure_all(); });
  report.kept = static_cast<int>(keys_needed().size()) - report.measured;
  report.seconds = static_cast<double>(now_ns() - start) / 1e9;
  return report;
}

ProfileReport profile_layers(std::span<const quant::NetworkInfo> lone_layers, const HostOptions& options,
                             LatencyTable& table, const std::function<void(const LatencyTable&)>& checkpoint,
                             const base::Progress& progress) {
  check(options);
  check_activations(lone_layers, options.batch);
  const std::int64_t start = now_ns();
  const std::vector<Candidate> candidates = find_candidates(lone_layers, options.batch);
  std::vector<EntryKey> needed;
  for (const Candidate& candidate : candidates)
    std::ranges::move(lone_keys(candidate), std::back_inserter(needed));
  ProfileReport report = begin_report(table, needed, options);
  const std::vector<Candidate> alone = lacking_alone(table, candidates);
  const double total = static_cast<double>(alone.size());
  const auto save = [&] {
    if (checkpoint) checkpoint(table);
  };
  if (!alone.empty()) save();  // a file that cannot be written is told of before anything is measured
  base::parallel_for(1, [&](int) {
    add(report, measure_alone(alone, measurement_options(options), table, save,
                              [&](double done) { progress("kernel", done, total, ""); }));
  });
  report.kept = static_cast<int>(needed.size()) - report.measured;
  report.seconds = static_cast<double>(now_ns() - start) / 1e9;
  return report;
}

LatencyTable profile_to_file(const quant::NetworkInfo& network, const BitChoices& choices,
                             const HostOptions& options, const std::filesystem::path& file,
                             const base::Progress& progress, ProfileReport* report) {
  return with_file(file, report, [&](LatencyTable& table, const auto& checkpoint) {
    return profile(network, choices, options, table, checkpoint, progress);
  });
}

LatencyTable profile_layers_to_file(std::span<const quant::NetworkInfo> lone_layers,
                                    const HostOptions& options, const std::filesystem::path& file,
                                    const base::Progress& progress, ProfileReport* report) {
  return with_file(file, report, [&](LatencyTable& table, const auto& checkpoint) {
    return profile_layers(lone_layers, options, table, checkpoint, progress);
  });
}

}  // namespace bitsmith::hwmodels
