#pragma once

#include "hwmodels/candidates.hpp"
#include "hwmodels/latency_table.hpp"
#include "hwmodels/measurement.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::hwmodels_tests {

inline hwmodels::Entry entry_of(std::vector<double> samples_us, std::int64_t measured_at = 1'700'000'000) {
  hwmodels::Timing timing;
  timing.samples_us = samples_us;
  hwmodels::Entry entry;
  entry.min_us = timing.min_us();
  entry.median_us = timing.median_us();
  entry.spread = timing.spread();
  entry.runs_per_sample = 7;
  entry.measured_at = measured_at;
  entry.samples_us = std::move(samples_us);
  return entry;
}

inline hwmodels::LatencyTable frozen_table() {
  hwmodels::LatencyTable table;
  table.provenance = {"Abacus 9000",      32768,    1 << 20, 1 << 25,  "avx2", "2.6.3 abc",
                      "int8 v1, fp32 v1", "gcc 12", "0.1",   "Release"};
  table.canaries = {{0.75, 31.5}, {0.8, 33.25}};
  table.set({"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot}, entry_of({3.0, 1.0 / 3.0, 2.0}));
  table.set({"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::cold}, entry_of({4.0}));
  table.set({"conv a", "fp32", {32, 32}, 1, 1, hwmodels::CacheState::hot}, entry_of({9.5, 8.5}));
  table.set({"add a", "", {32, 32}, 4, 1, hwmodels::CacheState::hot},
            entry_of({0.125, 0.25, 0.5, 0.75}, 1'700'000'500));
  return table;
}

/// A made-up price for every entry that the choices need, warm and cold: a function of the key, between 1 and
/// 9 us.
inline hwmodels::LatencyTable made_up_table(const quant::NetworkInfo& network,
                                            const hwmodels::BitChoices& choices, int batch = 1) {
  constexpr std::uint64_t kPrices = std::uint64_t{1} << 40;  // so many that no two entries cost the same
  hwmodels::LatencyTable table;
  hwmodels::HostOptions options;
  options.batch = batch;
  for (bool cold : {false, true}) {
    options.cold_weights = cold;
    for (const hwmodels::EntryKey& key : hwmodels::needed_entries(network, choices, options)) {
      base::Hasher hasher;
      hasher.add(hwmodels::to_string(key));
      table.set(key, entry_of({1.0 + static_cast<double>(hasher.value() % kPrices) / (kPrices / 8)}));
    }
  }
  return table;
}

inline std::vector<hwmodels::EntryKey> keys_of(const hwmodels::LatencyTable& table) {
  std::vector<hwmodels::EntryKey> keys;
  for (const auto& [key, entry] : table.entries()) keys.push_back(key);
  return keys;
}

}  // namespace bitsmith::hwmodels_tests
