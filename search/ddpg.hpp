#pragma once

#include <vector>

#include "search/adam.hpp"
#include "search/agent.hpp"
#include "search/mlp.hpp"
#include "search/noise.hpp"
#include "search/replay_buffer.hpp"

namespace bitsmith::search {

/// Deep deterministic policy gradient (Lillicrap et al. 2016) as HAQ uses it (sections 3.6, 3.7).
///
/// Actor: observation (the last action is one of its entries) -> hidden ReLU layers -> sigmoid. Critic:
/// observation and action side by side -> hidden ReLU layers -> value; HAQ's sum of two linear paths is the
/// same function. Every transition of an episode carries the episode's reward R, less the moving average of
/// rewards as of now:
///   y = (R - baseline) + (terminal ? 0 : discount * Q'(s', mu'(s')))
/// At the end of an episode its transitions are stored; after the warm-up one update per transition follows:
/// a critic step on the mean squared error, an actor step up the *updated* critic, soft updates of both
/// targets.
class Ddpg : public Agent {
 public:
  Ddpg(const SearchOptions& options, int steps, base::Rng& rng);

  std::string_view name() const override { return "ddpg"; }
  double act(int episode, const Observation& observation, base::Rng& rng) override;
  void learn(const Trajectory& trajectory, base::Rng& rng) override;

  /// The action without noise.
  double greedy(const Observation& observation);

  /// One update from the given transitions, at most DdpgOptions::batch of them.
  void update(std::span<const Transition* const> batch);

  /// For tests against a reference.
  struct Networks {
    Mlp actor, critic, target_actor, target_critic;
  };
  Networks& networks() { return networks_; }
  double baseline() const { return baseline_; }

 private:
  void fill_critic_inputs(std::span<const Transition* const> batch, bool next,
                          std::span<const float> actions);

  DdpgOptions options_;
  ExplorationNoise noise_;
  int last_episode_;  ///< of the run: without noise, so that what was learned is evaluated as it is
  Networks networks_;
  Adam actor_optimizer_, critic_optimizer_;
  ReplayBuffer replay_;
  double baseline_ = 0.0;
  bool has_baseline_ = false;

  // Of one update; taken once.
  std::vector<std::size_t> indices_;
  std::vector<const Transition*> batch_;
  std::vector<float> observations_, critic_inputs_, actions_, targets_, output_gradient_, action_gradient_;
};

}  // namespace bitsmith::search
