#pragma once

#include <functional>
#include <span>
#include <vector>

#include "quant/base/progress.hpp"
#include "search/budget.hpp"
#include "search/evaluation_cache.hpp"
#include "search/evaluator.hpp"
#include "search/policy_search.hpp"
#include "search/reward.hpp"

namespace bitsmith::search {

struct SearchLoopOptions {
  int episodes = 100;
  int round = 4;  ///< episodes proposed together and evaluated in parallel: part of the result
};

/// Called with the new episodes of a round before the next round is proposed; makes them durable.
using OnRound = std::function<void(std::span<const EpisodeRecord>)>;

/// Rounds of (propose, fit to the budget, evaluate what is new in parallel, store, observe). Returns all
/// episodes, in order; fewer than asked for when the search has no more to propose.
///
/// `recorded` are the first episodes of an earlier, interrupted run: the search proposes and observes them
/// again, but they are not evaluated and not stored again. The rest, and so the result, is what the
/// uninterrupted run would have given, wherever it was interrupted. Results do not depend on the number of
/// threads.
///
/// Throws UserError when what is recorded is not what this search proposes or this budget makes of it (the
/// journal belongs to another run), when it holds more episodes than are asked for, and what the evaluator
/// throws.
std::vector<EpisodeRecord> run_search(PolicySearch& search, const Budget& budget,
                                      AccuracyEvaluator& evaluator, EvaluationCache& cache,
                                      const Reward& reward, const SearchLoopOptions& options,
                                      std::span<const EpisodeRecord> recorded = {},
                                      const OnRound& on_round = {},
                                      const base::Progress& progress = base::no_progress);

}  // namespace bitsmith::search
