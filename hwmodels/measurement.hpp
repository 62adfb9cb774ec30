#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "hwmodels/canary.hpp"

namespace bitsmith::hwmodels {

/// Something to time: (run | run_cold)*, always on one thread. Neither may allocate.
class Subject {
 public:
  virtual ~Subject() = default;
  /// Once, with everything in cache that fits there.
  virtual void run() = 0;
  /// Copies whose weights nothing else touches, each used once per sample; 0: there is no cold mode for this
  /// one.
  virtual int cold_copies() const { return 0; }
  virtual void run_cold(int /*copy*/) {}
};

struct MeasurementOptions {
  int samples = 9;           ///< per subject and mode, at least 1
  double sample_ms = 2.0;    ///< length of one warm sample, > 0
  double max_spread = 0.05;  ///< (median - min) / min above which a subject is measured again
  int cold_rounds = 4;       ///< of all copies, in a cold sample: times out of main memory differ by a tenth
  int max_attempts = 4;      ///< sets of samples per subject and mode; the quietest set is kept
  std::uint64_t seed = 1;    ///< of the order of the samples, never of what is computed
};

/// One subject's samples, each the mean of `runs_per_sample` runs; cold, the middle mean of so many copies.
struct Timing {
  std::vector<double> samples_us;  ///< in the order they were taken; of the quietest attempt
  int runs_per_sample = 0;
  int attempts = 0;

  double min_us() const;
  double median_us() const;
  double spread() const;  ///< (median - min) / min
};

struct Measurement {
  std::vector<Timing> warm;      ///< one per subject
  std::vector<Timing> cold;      ///< one per subject; no samples where it has no cold mode
  std::vector<Canary> canaries;  ///< one per pass
};

/// Times all subjects together, on the calling thread, which is pinned meanwhile. A pass takes one sample of
/// each, in an order drawn anew: what disturbs the machine for a while then disturbs no single subject
/// (Google Benchmark's random interleaving). Warm samples repeat run() for sample_ms, after one run that is
/// not timed. Cold samples run each copy once in each of cold_rounds rounds, after reading a buffer of more
/// than twice the last-level cache has evicted them all (at most 256 MiB: a guest may be told of a cache that
/// it shares with many others); the activations are warm. `progress` gets the samples taken and the samples
/// known to be needed.
Measurement measure(std::span<Subject* const> subjects, const MeasurementOptions& options,
                    const std::function<void(int done, int total)>& progress = {});

/// The mean of the middle half: as deaf to outliers as a median, and finer than the clock's ticks.
double middle_mean(std::vector<double> values);

/// The middle value, or the mean of the two middle ones. `values` must not be empty.
double median(std::vector<double> values);

}  // namespace bitsmith::hwmodels
