#pragma once

#include <cstdint>
#include <memory>

#include "search/action_space.hpp"
#include "search/agent.hpp"
#include "search/observation.hpp"
#include "search/policy_search.hpp"

namespace bitsmith::search {

/// Lets an agent walk the layers. It learns from the policy that was evaluated, not from the one it proposed:
/// actions and observations of a trajectory are those that would have led to the policy after the budget.
class AgentSearch : public PolicySearch {
 public:
  /// `network` and `space` must outlive the search. Throws UserError where there is nothing to choose.
  AgentSearch(const quant::NetworkInfo& network, const ActionSpace& space, std::unique_ptr<Agent> agent,
              std::uint64_t seed);

  std::string_view name() const override { return agent_->name(); }
  std::vector<quant::Policy> propose(int first_episode, int count) override;
  void observe(std::span<const EpisodeRecord> episodes) override;

  const Observer& observer() const { return observer_; }

 private:
  const ActionSpace& space_;
  Observer observer_;
  std::unique_ptr<Agent> agent_;
  std::uint64_t seed_;
};

}  // namespace bitsmith::search
