#pragma once

#include <functional>
#include <span>
#include <vector>

#include "hwmodels/candidates.hpp"
#include "hwmodels/latency_table.hpp"
#include "hwmodels/measurement.hpp"

namespace bitsmith::hwmodels {

/// The entries of what is timed by itself: everything hot, layers also cold.
std::vector<EntryKey> lone_keys(const Candidate& candidate);

/// How many entries were made.
struct MeasuredCount {
  int entries = 0;
  int noisy = 0;  ///< of them, warm ones that stayed above the accepted spread
};

/// Times the candidates, of whichever networks, by themselves and puts their lone_keys into `table`, with the
/// canaries. Those of a group are timed together: at most 128, and 1 GiB of weights and a copy, which bounds
/// memory. `checkpoint` is called after each group, `progress` with the candidates done so far.
MeasuredCount measure_alone(std::span<const Candidate> candidates, const MeasurementOptions& options,
                            LatencyTable& table, const std::function<void()>& checkpoint,
                            const std::function<void(double done)>& progress);

}  // namespace bitsmith::hwmodels
