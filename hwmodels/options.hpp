#pragma once

#include <string>
#include <vector>

namespace bitsmith::hwmodels {

/// Measuring this host's kernels (hwmodels/profiler) and reading the table (hwmodels/host_model).
struct HostOptions {
  std::string table;          ///< HDF5 file of measured prices; empty: beside the results
  int batch = 1;              ///< images per inference
  int samples = 9;            ///< per entry, each long enough to time, in random order over all entries
  double sample_ms = 2.0;     ///< length of one sample
  bool cold_weights = false;  ///< price with weights out of cache instead of warm
  double max_age_days = 30;   ///< older tables are measured again
  /// A table is measured again when it was made while the canary loops took more than 1 + this of what they
  /// take now; see canary_check.
  double canary_tolerance = 0.2;
};

/// A user's own program as hardware or evaluator: one process per question, JSON on standard input and
/// output.
struct CommandOptions {
  std::vector<std::string> command;  ///< program and arguments; no shell
  double timeout_s = 600;
  int retries = 1;   ///< after a failure, a time-out or an answer that is not valid
  int parallel = 2;  ///< processes at once
};

}  // namespace bitsmith::hwmodels
