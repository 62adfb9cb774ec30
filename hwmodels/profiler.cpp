#include "hwmodels/profiler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <span>

#include "hwmodels/candidates.hpp"
#include "hwmodels/in_place.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "hwmodels/measurement.hpp"
#include "hwmodels/stopwatch.hpp"
#include "hwmodels/subjects.hpp"
#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr std::size_t kGroup = 128;
constexpr std::int64_t kColdBytes = std::int64_t{4} << 20;  // of copies per kernel: 512 MiB per group
constexpr std::uint64_t kSeed = 1;                          // orders and operands; prices do not depend on it

void check(const HostOptions& options) {
  const auto refuse = [](const char* key, double got, const char* allowed) {
    throw base::UserError(fmt::format("host {}: got {:g}, allowed is {}", key, got, allowed));
  };
  if (options.batch < 1 || options.batch > 65536) refuse("batch", options.batch, "1 to 65536");
  if (options.samples < 1 || options.samples > 10000) refuse("samples", options.samples, "1 to 10000");
  if (!(options.sample_ms > 0 && options.sample_ms <= 10000))
    refuse("sample_ms", options.sample_ms, "> 0 to 10000");
  if (!(options.max_age_days >= 0)) refuse("max_age_days", options.max_age_days, ">= 0");
}

EntryKey in_state(EntryKey key, CacheState state) {
  key.state = state;
  return key;
}

/// What is timed by itself: everything hot, layers also cold.
std::vector<EntryKey> lone_keys(const Candidate& candidate) {
  std::vector<EntryKey> keys = {candidate.key};
  if (candidate.row != nullptr) keys.push_back(in_state(candidate.key, CacheState::cold));
  return keys;
}

/// The entries of `old` that hold here and now. None where the machine or the program is another.
LatencyTable still_true(const LatencyTable& old, const Provenance& here, double max_age_days,
                        std::int64_t now) {
  LatencyTable table;
  table.provenance = here;
  if (!differences(old.provenance, here).empty()) return table;
  table.canaries = old.canaries;
  for (const auto& [key, entry] : old.entries())
    if (!is_expired(entry, max_age_days, now)) table.set(key, entry);
  return table;
}

std::int64_t largest_elements(const quant::NetworkInfo& network, const Candidate& candidate) {
  const quant::Step& step = candidate.step;
  std::int64_t elements = std::max(step.input.elements(), step.output.elements());
  if (step.kind == quant::StepKind::layer) {
    const quant::LayerInfo& layer = network.layers[static_cast<std::size_t>(step.layer)];
    elements = std::max({elements, layer.input.elements(), layer.output.elements()});
  }
  return elements * candidate.key.batch;
}

Entry entry_of(const Timing& timing, std::int64_t measured_at) {
  Entry entry;
  entry.samples_us = timing.samples_us;
  entry.min_us = timing.min_us();
  entry.median_us = timing.median_us();
  entry.spread = timing.spread();
  entry.runs_per_sample = timing.runs_per_sample;
  entry.measured_at = measured_at;
  return entry;
}

void measure_group(const quant::NetworkInfo& network, std::span<const Candidate> group,
                   const MeasurementOptions& options, LatencyTable& table, ProfileReport& report,
                   const std::function<void(int, int)>& progress) {
  Activations activations(kSeed);
  for (const Candidate& candidate : group) activations.reserve(largest_elements(network, candidate));
  std::vector<std::unique_ptr<Subject>> owners;
  std::vector<Subject*> subjects;
  for (std::size_t i = 0; i < group.size(); ++i) {
    owners.push_back(
        make_subject(network, group[i], activations, kColdBytes, base::derive_seed(kSeed, "weights", i)));
    subjects.push_back(owners.back().get());
  }
  const Measurement measured = measure(subjects, options, progress);
  const std::int64_t date = unix_time();
  for (std::size_t i = 0; i < group.size(); ++i) {
    for (EntryKey& key : lone_keys(group[i])) {
      const bool cold = key.state == CacheState::cold;
      const Timing& timing = cold ? measured.cold[i] : measured.warm[i];
      report.noisy += !cold && timing.spread() > options.max_spread;
      table.set(std::move(key), entry_of(timing, date));
      ++report.measured;
    }
  }
  table.canaries.insert(table.canaries.end(), measured.canaries.begin(), measured.canaries.end());
}

void measure_network(const quant::NetworkInfo& network, const StepCatalog& catalog,
                     std::span<const Candidate> candidates, std::span<const EntryKey> keys,
                     const MeasurementOptions& options, LatencyTable& table, ProfileReport& report,
                     const std::function<void(int, int)>& progress) {
  const InPlaceMeasurement measured = measure_in_place(network, catalog, candidates, keys, options, progress);
  const std::int64_t date = unix_time();
  for (const auto& [key, timing] : measured.timings) {
    report.noisy += timing.spread() > options.max_spread;
    table.set(key, entry_of(timing, date));
    ++report.measured;
  }
  table.canaries.insert(table.canaries.end(), measured.canaries.begin(), measured.canaries.end());
}

}  // namespace

ProfileReport profile(const quant::NetworkInfo& network, const BitChoices& choices,
                      const HostOptions& options, LatencyTable& table,
                      const std::function<void(const LatencyTable&)>& checkpoint,
                      const base::Progress& progress) {
  check(options);
  const std::int64_t start = now_ns();
  const Provenance here = current_provenance();
  const StepCatalog catalog = enumerate_steps(network, choices);
  const std::vector<Candidate> candidates = find_candidates(network, catalog, choices, options.batch);
  const CacheState resident = resident_state(network, options.batch);
  const auto is_contender = [&](const Candidate& candidate) {
    return candidate.row == nullptr ||
           !is_outclassed(table, network.layers[static_cast<std::size_t>(candidate.step.layer)],
                          *candidate.row, candidate.step.from, candidate.step.to, candidate.key);
  };
  const auto keys_needed = [&] {
    std::vector<EntryKey> keys;
    for (const Candidate& candidate : candidates) {
      for (EntryKey& key : lone_keys(candidate)) keys.push_back(std::move(key));
      if (is_contender(candidate)) keys.push_back(in_state(candidate.key, resident));
    }
    return keys;
  };
  const std::vector<EntryKey> needed = keys_needed();

  ProfileReport report;
  report.reasons = staleness(table, here, needed, options.max_age_days, unix_time());
  table = still_true(table, here, options.max_age_days, unix_time());
  std::size_t weaker = 0;
  for (const EntryKey& key : needed) {
    const Entry* entry = table.find(key);
    if (entry != nullptr && std::ssize(entry->samples_us) < options.samples) {
      table.erase(key);
      ++weaker;
    }
  }
  if (weaker > 0)
    report.reasons.push_back(
        fmt::format("samples: {} of {} entries have fewer than {}", weaker, needed.size(), options.samples));
  const auto lacks = [&](const EntryKey& key) { return table.find(key) == nullptr; };
  std::vector<Candidate> alone;
  for (const Candidate& candidate : candidates)
    if (std::ranges::any_of(lone_keys(candidate), lacks)) alone.push_back(candidate);
  const auto in_place_count = std::ranges::count_if(
      candidates, [&](const Candidate& candidate) { return lacks(in_state(candidate.key, resident)); });

  MeasurementOptions how;
  how.samples = options.samples;
  how.sample_ms = options.sample_ms;
  const double total = static_cast<double>(static_cast<std::ptrdiff_t>(alone.size()) + in_place_count);
  const auto measure_all = [&] {
    for (std::size_t first = 0; first < alone.size(); first += kGroup) {
      const auto group =
          std::span<const Candidate>(alone).subspan(first, std::min(kGroup, alone.size() - first));
      how.seed = base::derive_seed(kSeed, "group", first);
      measure_group(network, group, how, table, report, [&](int done, int of) {
        progress("kernel", static_cast<double>(first) + static_cast<double>(group.size()) * done / of, total,
                 "");
      });
      if (checkpoint) checkpoint(table);
    }
    std::vector<Candidate> contenders;
    std::ranges::copy_if(candidates, std::back_inserter(contenders), is_contender);
    std::vector<EntryKey> in_place;
    for (const Candidate& candidate : contenders)
      if (EntryKey key = in_state(candidate.key, resident); lacks(key)) in_place.push_back(std::move(key));
    how.seed = kSeed;
    measure_network(network, catalog, contenders, in_place, how, table, report, [&](int done, int of) {
      progress("kernel", static_cast<double>(alone.size()) + static_cast<double>(in_place_count) * done / of,
               total, "");
    });
    if (total > 0) progress("kernel", total, total, "");
    if (checkpoint) checkpoint(table);
  };
  // One body: it runs on this thread, and has told OpenMP, and so oneDNN, to use no other.
  base::parallel_for(1, [&](int) { measure_all(); });
  report.kept = static_cast<int>(keys_needed().size()) - report.measured;
  report.seconds = static_cast<double>(now_ns() - start) / 1e9;
  return report;
}

LatencyTable profile_to_file(const quant::NetworkInfo& network, const BitChoices& choices,
                             const HostOptions& options, const std::filesystem::path& file,
                             const base::Progress& progress, ProfileReport* report) {
  LatencyTable table;
  std::error_code code;
  const bool is_new = !std::filesystem::exists(file, code);
  if (is_new)
    table.provenance = current_provenance();
  else
    table = load_latency_table(file);
  ProfileReport done = profile(
      network, choices, options, table, [&](const LatencyTable& so_far) { save_latency_table(so_far, file); },
      progress);
  if (report != nullptr) *report = std::move(done);
  return table;
}

}  // namespace bitsmith::hwmodels
