#include "hwmodels/renewal.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "hwmodels/canary_check.hpp"
#include "hwmodels/stopwatch.hpp"

namespace bitsmith::hwmodels {
namespace {

/// The entries of `old` that are young enough.
LatencyTable young(const LatencyTable& old, double max_age_days, std::int64_t now) {
  LatencyTable table;
  table.provenance = old.provenance;
  table.canaries = old.canaries;
  for (const auto& [key, entry] : old.entries())
    if (!is_expired(entry, max_age_days, now)) table.set(key, entry);
  return table;
}

std::size_t erase_weak(LatencyTable& table, std::span<const EntryKey> needed, int samples) {
  std::size_t weak = 0;
  for (const EntryKey& key : needed) {
    const Entry* entry = table.find(key);
    if (entry == nullptr || std::ssize(entry->samples_us) >= samples) continue;
    table.erase(key);
    ++weak;
  }
  return weak;
}

}  // namespace

Renewal renew(LatencyTable& table, std::span<const EntryKey> needed, const HostOptions& options) {
  const Provenance here = current_provenance();
  const std::int64_t now = unix_time();
  Renewal renewal;
  renewal.reasons = staleness(table, here, needed, options.max_age_days, now);
  bool holds = !table.entries().empty() && differences(table.provenance, here).empty();
  if (holds && !table.canaries.empty()) {
    CanaryVerdict verdict =
        compare_canaries(median_canary(table.canaries), present_canary(), options.canary_tolerance);
    holds = verdict.stale.empty();
    if (!holds) renewal.reasons.insert(renewal.reasons.begin(), std::move(verdict.stale));
    if (!verdict.warning.empty()) renewal.warnings.push_back(std::move(verdict.warning));
  }
  table = holds ? young(table, options.max_age_days, now) : LatencyTable{};
  table.provenance = here;
  if (const std::size_t weak = erase_weak(table, needed, options.samples); weak > 0)
    renewal.reasons.push_back(
        fmt::format("samples: {} of {} entries have fewer than {}", weak, needed.size(), options.samples));
  return renewal;
}

}  // namespace bitsmith::hwmodels
