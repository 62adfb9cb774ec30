#pragma once

#include <span>
#include <string>
#include <vector>

#include "hwmodels/latency_table.hpp"
#include "hwmodels/options.hpp"

namespace bitsmith::hwmodels {

/// What became of a table that is about to be used.
struct Renewal {
  std::vector<std::string> reasons;   ///< why some of the needed entries are to be measured
  std::vector<std::string> warnings;  ///< what to know of those that stay
};

/// Takes out of `table` all that does not hold on this machine now, and gives it this machine's pedigree:
/// everything where the pedigree or the canaries speak against it, else entries that are too old, and needed
/// ones with fewer samples than options.samples. Times the canary loops here where the table has any.
Renewal renew(LatencyTable& table, std::span<const EntryKey> needed, const HostOptions& options);

}  // namespace bitsmith::hwmodels
