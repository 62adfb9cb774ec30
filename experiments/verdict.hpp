#pragma once

#include <string>

#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// In one sentence, what low bits are worth on this hardware: by how much the winner is faster than uniform
/// 8 bit, or that nothing within the budget is. Empty where latency is not priced or nothing was searched.
std::string latency_verdict(const RunResults& results);

}  // namespace bitsmith::experiments
