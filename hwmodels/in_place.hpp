#pragma once

#include <functional>
#include <map>
#include <span>

#include "hwmodels/candidates.hpp"
#include "hwmodels/measurement.hpp"
#include "hwmodels/step_catalog.hpp"

namespace bitsmith::hwmodels {

/// What was found for the entries asked for, and the canaries of the passes.
struct InPlaceMeasurement {
  std::map<EntryKey, Timing> timings;
  std::vector<Canary> canaries;
};

/// Times steps where they belong: within plans of the whole network, laid out in one arena as the deployed
/// network is, so that every step finds its input where the step before has left it, its weights where the
/// other layers' weights have pushed them, and the core's predictors as the network leaves them.
///
/// Each plan is one that the catalog knows; every layer runs on that kernel of its `candidates` (at least one
/// for every layer step of the catalog; those that could win, as neighbours too) which has the fewest samples
/// so far, and all steps of the plan get one: the median over a few runs in a row, each step timed by itself,
/// less what reading the clock takes. So `keys` (of these candidates, in the state resident_state) get
/// options.samples each, from plans in random order; those above options.max_spread are measured again,
/// options.max_attempts in all, and the quietest set stays. A plan beside which the vector canary was slow is
/// run again. On the calling thread, which is pinned meanwhile.
InPlaceMeasurement measure_in_place(const quant::NetworkInfo& network, const StepCatalog& catalog,
                                    std::span<const Candidate> candidates, std::span<const EntryKey> keys,
                                    const MeasurementOptions& options,
                                    const std::function<void(int done, int total)>& progress = {});

}  // namespace bitsmith::hwmodels
