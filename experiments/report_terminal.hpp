#pragma once

#include <string>

#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// What `run` and `show` print: the summary of methods, the constraints, and the winner layer by layer. Parts
/// that a run has not come to are left out.
std::string terminal_report(const RunResults& results);

}  // namespace bitsmith::experiments
