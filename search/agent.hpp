#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "quant/base/random.hpp"
#include "search/observation.hpp"
#include "search/options.hpp"

namespace bitsmith::search {

/// One finished episode as an agent learns from it: what it would have seen and done had it proposed the
/// policy that was evaluated (after the budget), step by step, and the one reward at the end.
struct Trajectory {
  int episode = 0;
  std::vector<Observation> observations;
  std::vector<float> actions;
  double reward = 0.0;
};

/// Chooses an action in [0, 1] per step, and learns: ((act^steps)^K learn^K)*, K episodes at a time. It sees
/// neither network, budget, cost model nor evaluator. Deterministic: the same calls with the same generators
/// give the same actions, to the bit.
class Agent {
 public:
  virtual ~Agent() = default;
  virtual std::string_view name() const = 0;
  /// The action for the next step of `episode` (0 is the first of the run), exploration included.
  virtual double act(int episode, const Observation& observation, base::Rng& rng) = 0;
  /// Episodes come in order, those of the warm-up included.
  virtual void learn(const Trajectory& trajectory, base::Rng& rng) = 0;
};

/// The agents there are. `make`: for episodes of `steps` steps, initial parameters drawn from `rng`; throws
/// UserError for options out of range.
struct AgentRow {
  AgentKind kind;
  std::string_view name;
  std::string_view summary;
  std::unique_ptr<Agent> (*make)(const SearchOptions& options, int steps, base::Rng& rng);
};
std::span<const AgentRow> agent_table();

/// The row of `options.agent`, made.
std::unique_ptr<Agent> make_agent(const SearchOptions& options, int steps, base::Rng& rng);

}  // namespace bitsmith::search
