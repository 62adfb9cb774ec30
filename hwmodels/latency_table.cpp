#include "hwmodels/latency_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hwmodels/measurement.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr double kSecondsPerDay = 86400.0;
constexpr std::int64_t kClockToleranceSeconds = 3600;  // between machines that share a table
constexpr std::size_t kShownKeys = 3;

std::string bits_name(int bits) { return bits == quant::kFloatBits ? "fp32" : std::to_string(bits); }

double age_days(const Entry& entry, std::int64_t now) {
  return static_cast<double>(now - entry.measured_at) / kSecondsPerDay;
}

}  // namespace

std::string_view cache_state_name(CacheState state) {
  switch (state) {
    case CacheState::hot:
      return "hot";
    case CacheState::in_l2:
      return "in L2";
    case CacheState::in_l3:
      return "in L3";
    case CacheState::in_memory:
      return "in memory";
    case CacheState::cold:
      return "cold";
  }
  throw base::InternalError("a cache state without a name");
}

std::string to_string(const EntryKey& key) {
  return fmt::format("{}{}{}, w{}a{}, batch {}, {} thread{}, {}", key.step,
                     key.kernel.empty() ? "" : ", kernel ", key.kernel, bits_name(key.bits.weight),
                     bits_name(key.bits.activation), key.batch, key.threads, key.threads == 1 ? "" : "s",
                     cache_state_name(key.state));
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

const Entry* LatencyTable::find(const EntryKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

std::string LatencyTable::fingerprint() const {
  base::Hasher hasher;
  for (const auto& [key, entry] : entries_) {
    hasher.add(key.step);
    hasher.add(key.kernel);
    for (int value :
         {key.bits.weight, key.bits.activation, key.batch, key.threads, static_cast<int>(key.state)})
      hasher.add(value);
    hasher.add(entry.min_us);
    hasher.add(entry.median_us);
  }
  return hasher.hex();
}

bool is_expired(const Entry& entry, double max_age_days, std::int64_t now) {
  return age_days(entry, now) > max_age_days || entry.measured_at > now + kClockToleranceSeconds;
}

std::vector<std::string> staleness(const LatencyTable& table, const Provenance& here,
                                   std::span<const EntryKey> needed, double max_age_days, std::int64_t now) {
  std::vector<std::string> reasons;
  if (!table.entries().empty()) reasons = differences(table.provenance, here);
  std::size_t missing = 0, expired = 0, future = 0;
  double oldest = 0;
  std::string shown;
  for (const EntryKey& key : needed) {
    const Entry* entry = table.find(key);
    if (entry == nullptr) {
      if (++missing <= kShownKeys) shown += (missing == 1 ? "" : "; ") + to_string(key);
      continue;
    }
    if (!is_expired(*entry, max_age_days, now)) continue;
    if (entry->measured_at > now)
      ++future;
    else
      ++expired;
    oldest = std::max(oldest, age_days(*entry, now));
  }
  if (expired > 0)
    reasons.push_back(fmt::format("age: {} of {} entries are older than {:g} days (the oldest {:.1f})",
                                  expired, needed.size(), max_age_days, oldest));
  if (future > 0)
    reasons.push_back(fmt::format("age: {} of {} entries are dated in the future", future, needed.size()));
  if (missing > 0)
    reasons.push_back(fmt::format("missing: {} of {} entries were never measured: {}{}", missing,
                                  needed.size(), shown, missing > kShownKeys ? "; ..." : ""));
  return reasons;
}

}  // namespace bitsmith::hwmodels
