#pragma once

#include "experiments/pipeline/comparison.hpp"
#include "experiments/pipeline/pricing.hpp"
#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// Fills in what follows from the winner: which constraints it meets, and what each layer costs.
void describe_winner(const Contest& contest, const Pricing& pricing, RunResults& results);

/// Writes what a run leaves behind, all named after config.output, results/x.h5: the results themselves,
/// x.summary.yaml, x.policy.yaml (the winner's bits) and, where networks are trained here, x.network.h5
/// (checkpoint of the winner). The deployed model, x.bsm, is there already: see deployment.
void deliver(const Contest& contest, const RunResults& results);

}  // namespace bitsmith::experiments
