#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hwmodels/canary.hpp"
#include "hwmodels/provenance.hpp"
#include "quant/policy.hpp"

namespace bitsmith::hwmodels {

/// Where weights and activations are when a step begins.
enum class CacheState {
  hot,        ///< as close as they fit: the same call, again and again. What a kernel is capable of
  in_l2,      ///< as in a network whose weights and activations together fit into L2 ...
  in_l3,      ///< ... into L3 ...
  in_memory,  ///< ... nowhere: measured within such a network, step by step
  cold        ///< weights in memory, activations hot: a network that is run once in a while
};
std::string_view cache_state_name(CacheState state);

/// What was timed.
struct EntryKey {
  std::string step;    ///< quant::Step::shape_key
  std::string kernel;  ///< row of the kernel table; empty for a step that has but one implementation
  quant::LayerBits
      bits;  ///< as which the kernel's operands were packed; kFloatBits twice for steps without weights
  int batch = 1;
  int threads = 1;
  CacheState state = CacheState::hot;

  auto operator<=>(const EntryKey&) const = default;
};

/// For people: "conv ... u8 -> f32, kernel int8, w8a8, batch 1, in L2".
std::string to_string(const EntryKey& key);

struct Entry {
  std::vector<double> samples_us;  ///< microseconds per call, in the order they were taken; never empty
  double min_us = 0, median_us = 0;
  double spread = 0;             ///< (median - min) / min
  int runs_per_sample = 1;       ///< each sample is the mean of so many calls
  std::int64_t measured_at = 0;  ///< seconds since 1970, UTC
  bool operator==(const Entry&) const = default;

  /// What a step costs: the median, the latency to expect; the minimum is what the kernel is capable of.
  double price_us() const { return median_us; }
};

struct Timing;
/// What a measurement at that time (seconds since 1970) is kept as.
Entry entry_of(const Timing& timing, std::int64_t measured_at);

/// Measured prices and their pedigree. Keys are unique and in ascending order.
class LatencyTable {
 public:
  Provenance provenance;
  std::vector<Canary> canaries;  ///< one per pass of the measurements

  const std::map<EntryKey, Entry>& entries() const { return entries_; }
  const Entry* find(const EntryKey& key) const;  ///< null when it was not measured
  void set(EntryKey key, Entry entry) { entries_[std::move(key)] = std::move(entry); }
  void erase(const EntryKey& key) { entries_.erase(key); }

  /// Hash over keys and prices: equal tables price equally. Samples, dates and pedigree do not enter.
  std::string fingerprint() const;

 private:
  std::map<EntryKey, Entry> entries_;
};

/// Why `table` cannot serve as it is, in sentences for people; empty when it can. Checked are its pedigree,
/// the age of the needed entries at `now` (seconds since 1970) and whether all `needed` entries are there.
std::vector<std::string> staleness(const LatencyTable& table, const Provenance& here,
                                   std::span<const EntryKey> needed, double max_age_days, std::int64_t now);

/// Whether an entry is older than that, or dated after `now`.
bool is_expired(const Entry& entry, double max_age_days, std::int64_t now);

}  // namespace bitsmith::hwmodels
