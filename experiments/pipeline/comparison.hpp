#pragma once

#include <string>
#include <vector>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/pipeline/scoring.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "experiments/results.hpp"
#include "hwmodels/cost_model.hpp"
#include "search/budget.hpp"

namespace bitsmith::experiments {

/// What every search of a run works with; references to parts that outlive it.
struct Contest {
  const Config& config;
  const hwmodels::CostModels& models;
  const search::Budget& budget;
  Scoring& scoring;
  const Workspace& workspace;
  std::string identity;  ///< of the run: whose journals these are
  const Reporter& reporter;
};

/// The summary row of a policy that a method came to, priced.
MethodSummary summarize(const Contest& contest, std::string name, const quant::Policy& policy,
                        const search::Evaluation& score, int evaluations);

/// All methods at equal evaluations, journalled round by round: uniform bits, the agent, random search. Fills
/// RunResults::searches and ::methods (fp32, uniform8, uniform6, uniform4, uniform_best, random, agent, as
/// far as the search knows them: short scores).
void run_searches(const Contest& contest, RunResults& results);

/// Re-evaluates each method's finalists on fresh draws, fine-tunes the best of each for longer, names the
/// winner (the best validation accuracy within the budget; ties: uniform, random, agent), and at the very end
/// tests every row once. A row's policy is of its method's own episodes; fp32 is fine-tuned like the others.
void run_finals(const Contest& contest, RunResults& results);

}  // namespace bitsmith::experiments
