#pragma once

#include <string>

#include "hwmodels/canary.hpp"

namespace bitsmith::hwmodels {

/// What the canary loops say of a table that is about to be used; at most one of the two is said.
struct CanaryVerdict {
  std::string stale;    ///< why its prices are not true here; empty: nothing speaks against them
  std::string warning;  ///< what to know while they are used; empty: nothing
};

/// Compares the canaries of a table's measurements (their medians) with those of the machine as it is now.
/// Where a loop takes less than 1 / (1 + tolerance) of the table's time now, the table was made on a
/// disturbed or slower machine, and is stale. Where none does and one takes more than 1 + tolerance of it, it
/// is this moment that is disturbed: the table is the better of the two, and stays. The clock and the vector
/// loop are judged; the caches are shared with neighbours who come and go. Loops without a time are left out.
CanaryVerdict compare_canaries(const Canary& table, const Canary& now, double tolerance);

}  // namespace bitsmith::hwmodels
