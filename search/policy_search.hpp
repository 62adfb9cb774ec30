#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/policy.hpp"
#include "search/evaluator.hpp"

namespace bitsmith::search {

/// One finished episode: what was proposed, what the budget made of it, what came of it.
struct EpisodeRecord {
  int episode = 0;
  quant::Policy proposed;  ///< by the search, before the budget
  quant::Policy policy;    ///< within the budget: what was evaluated
  Evaluation evaluation;
  double reward = 0.0;
  std::vector<double> costs;  ///< CostModels::totals of `policy`
  bool cached = false;        ///< the same policy had been evaluated before
};

/// A way to choose policies: (propose observe)*. It sees neither cost model nor evaluator. Given the same
/// calls it proposes the same policies, to the bit: a resumed run replays its recorded episodes through it.
class PolicySearch {
 public:
  virtual ~PolicySearch() = default;
  virtual std::string_view name() const = 0;
  /// The next `count` raw policies, for episodes first_episode .. first_episode + count - 1.
  virtual std::vector<quant::Policy> propose(int first_episode, int count) = 0;
  /// The same episodes, finished, in order.
  virtual void observe(std::span<const EpisodeRecord> episodes) = 0;
};

}  // namespace bitsmith::search
