#include "search/agent_search.hpp"

#include "quant/base/error.hpp"

namespace bitsmith::search {

AgentSearch::AgentSearch(const quant::NetworkInfo& network, const ActionSpace& space,
                         std::unique_ptr<Agent> agent, std::uint64_t seed)
    : space_(space), observer_(network, space), agent_(std::move(agent)), seed_(seed) {
  if (space.steps().empty()) {
    throw base::UserError(
        "nothing to search: every layer is pinned or has one choice of bits only "
        "(search.weight_bits, search.activation_bits)");
  }
}

std::vector<quant::Policy> AgentSearch::propose(int first_episode, int count) {
  std::vector<quant::Policy> policies;
  for (int episode = first_episode; episode < first_episode + count; ++episode) {
    base::Rng rng(base::derive_seed(seed_, "exploration", static_cast<std::uint64_t>(episode)));
    quant::Policy policy = space_.lowest();
    for (int i = 0; i < observer_.steps(); ++i) {
      const Step step = space_.steps()[static_cast<std::size_t>(i)];
      const double action = agent_->act(episode, observer_.before(i, policy), rng);
      space_.set(policy, step, space_.to_bits(step.layer, step.part, action));
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

void AgentSearch::observe(std::span<const EpisodeRecord> episodes) {
  Trajectory trajectory;
  for (const EpisodeRecord& record : episodes) {
    base::Rng rng(base::derive_seed(seed_, "learning", static_cast<std::uint64_t>(record.episode)));
    trajectory.episode = record.episode;
    trajectory.reward = record.reward;
    trajectory.observations.clear();
    trajectory.actions.clear();
    for (int i = 0; i < observer_.steps(); ++i) {
      const Step step = space_.steps()[static_cast<std::size_t>(i)];
      trajectory.observations.push_back(observer_.before(i, record.policy));
      const double action = space_.to_action(step.layer, step.part, bits_of(record.policy, step));
      trajectory.actions.push_back(static_cast<float>(action));
    }
    agent_->learn(trajectory, rng);
  }
}

}  // namespace bitsmith::search
