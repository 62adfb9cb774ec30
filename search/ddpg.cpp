#include "search/ddpg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::search {
namespace {

void check(const DdpgOptions& options, int warmup_episodes) {
  const auto need = [](bool holds, const char* key, double got, const char* allowed) {
    if (!holds) throw base::UserError(fmt::format("search.{}: got {:g}, allowed is {}", key, got, allowed));
  };
  need(!options.hidden.empty(), "ddpg.hidden", 0, "at least one layer");
  for (int units : options.hidden)
    need(units >= 1 && units <= 1 << 16, "ddpg.hidden", units, "1 to 65536 units");
  need(options.actor_learning_rate > 0, "ddpg.actor_learning_rate", options.actor_learning_rate, "> 0");
  need(options.critic_learning_rate > 0, "ddpg.critic_learning_rate", options.critic_learning_rate, "> 0");
  need(options.tau > 0 && options.tau <= 1, "ddpg.tau", options.tau, "above 0, at most 1");
  need(options.discount >= 0 && options.discount <= 1, "ddpg.discount", options.discount, "0 to 1");
  need(options.batch >= 1, "ddpg.batch", options.batch, ">= 1");
  need(options.replay_episodes >= 1, "ddpg.replay_episodes", options.replay_episodes, ">= 1");
  need(options.noise >= 0, "ddpg.noise", options.noise, ">= 0");
  need(options.noise_decay > 0 && options.noise_decay <= 1, "ddpg.noise_decay", options.noise_decay,
       "above 0, at most 1");
  need(options.baseline_decay >= 0 && options.baseline_decay < 1, "ddpg.baseline_decay",
       options.baseline_decay, "0 to below 1");
  need(warmup_episodes >= 0, "warmup_episodes", warmup_episodes, ">= 0");
}

const DdpgOptions& checked(const SearchOptions& options) {
  check(options.ddpg, options.warmup_episodes);
  return options.ddpg;
}

Mlp network(int inputs, const DdpgOptions& options, Mlp::Output output) {
  std::vector<int> sizes = {inputs};
  sizes.insert(sizes.end(), options.hidden.begin(), options.hidden.end());
  sizes.push_back(1);
  return Mlp(std::move(sizes), output, options.batch);
}

Ddpg::Networks make_networks(const DdpgOptions& options, base::Rng& rng) {
  Mlp actor = network(kObservationSize, options, Mlp::Output::sigmoid);
  Mlp critic = network(kObservationSize + 1, options, Mlp::Output::linear);
  actor.initialise(rng);
  critic.initialise(rng);
  return {actor, critic, actor, critic};
}

}  // namespace

Ddpg::Ddpg(const SearchOptions& options, int steps, base::Rng& rng)
    : options_(checked(options)),
      noise_{options_.noise, options_.noise_decay, options.warmup_episodes},
      last_episode_(options.episodes - 1),
      networks_(make_networks(options_, rng)),
      actor_optimizer_(networks_.actor.parameters().size(), options_.actor_learning_rate),
      critic_optimizer_(networks_.critic.parameters().size(), options_.critic_learning_rate),
      replay_(static_cast<std::size_t>(options_.replay_episodes) *
              static_cast<std::size_t>(std::max(steps, 1))) {
  const auto rows = static_cast<std::size_t>(options_.batch);
  indices_.resize(rows);
  batch_.resize(rows);
  observations_.resize(rows * kObservationSize);
  critic_inputs_.resize(rows * (kObservationSize + 1));
  actions_.resize(rows);
  targets_.resize(rows);
  output_gradient_.resize(rows);
  action_gradient_.resize(rows);
}

double Ddpg::greedy(const Observation& observation) {
  return double{networks_.actor.forward(observation, 1)[0]};
}

double Ddpg::act(int episode, const Observation& observation, base::Rng& rng) {
  if (noise_.is_warmup(episode)) return noise_.apply(0.0, episode, rng);
  const double action = greedy(observation);
  base::require(std::isfinite(action), "the actor's action is not a number");
  return episode == last_episode_ ? action : noise_.apply(action, episode, rng);
}

void Ddpg::learn(const Trajectory& trajectory, base::Rng& rng) {
  const std::size_t steps = trajectory.observations.size();
  base::require(trajectory.actions.size() == steps, "a trajectory needs one action per observation");
  base::require(std::isfinite(trajectory.reward), "a reward is not finite");
  // The average starts at the first reward: a start at 0 would make the first rewards look like news.
  const double decay = has_baseline_ ? options_.baseline_decay : 0.0;
  baseline_ = decay * baseline_ + (1.0 - decay) * trajectory.reward;
  has_baseline_ = true;
  for (std::size_t i = 0; i < steps; ++i) {
    const bool terminal = i + 1 == steps;
    replay_.push({trajectory.observations[i], trajectory.actions[i], static_cast<float>(trajectory.reward),
                  terminal ? Observation{} : trajectory.observations[i + 1], terminal});
  }
  if (noise_.is_warmup(trajectory.episode)) return;
  for (std::size_t i = 0; i < steps; ++i) {
    replay_.sample(rng, indices_);
    std::ranges::transform(indices_, batch_.begin(), [&](std::size_t index) { return &replay_[index]; });
    update(batch_);
  }
}

void Ddpg::fill_critic_inputs(std::span<const Transition* const> batch, bool next,
                              std::span<const float> actions) {
  constexpr std::size_t kWidth = kObservationSize + 1;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    std::ranges::copy(next ? batch[i]->next : batch[i]->observation, &critic_inputs_[i * kWidth]);
    critic_inputs_[i * kWidth + kObservationSize] = actions[i];
  }
}

void Ddpg::update(std::span<const Transition* const> batch) {
  constexpr std::size_t kWidth = kObservationSize + 1;
  const std::size_t rows = batch.size();
  base::require(rows >= 1 && rows <= batch_.size(), "Ddpg::update: batch out of range");
  const int count = static_cast<int>(rows);
  const std::span<const float> observations(observations_.data(), rows * kObservationSize);
  const std::span<const float> critic_inputs(critic_inputs_.data(), rows * kWidth);
  const std::span<float> gradient(output_gradient_.data(), rows);
  const auto fill_observations = [&](bool next) {
    for (std::size_t i = 0; i < rows; ++i) {
      std::ranges::copy(next ? batch[i]->next : batch[i]->observation, &observations_[i * kObservationSize]);
    }
  };

  // Targets. A terminal transition's `next` is all zeros; what the networks make of it is not used.
  fill_observations(true);
  fill_critic_inputs(batch, true, networks_.target_actor.forward(observations, count));
  const std::span<const float> following = networks_.target_critic.forward(critic_inputs, count);
  for (std::size_t i = 0; i < rows; ++i) {
    const double bootstrap = batch[i]->terminal ? 0.0 : options_.discount * double{following[i]};
    targets_[i] = static_cast<float>(double{batch[i]->reward} - baseline_ + bootstrap);
  }

  // Critic: down the mean squared error.
  const float per_row = 1.0f / static_cast<float>(rows);
  for (std::size_t i = 0; i < rows; ++i) actions_[i] = batch[i]->action;
  fill_critic_inputs(batch, false, actions_);
  const std::span<const float> values = networks_.critic.forward(critic_inputs, count);
  for (std::size_t i = 0; i < rows; ++i) gradient[i] = 2.0f * per_row * (values[i] - targets_[i]);
  networks_.critic.backward(gradient, Mlp::Wanted::parameters);
  critic_optimizer_.step(networks_.critic.parameters(), networks_.critic.gradient());

  // Actor: up the mean value of its own actions, as the critic that has just been updated sees them.
  fill_observations(false);
  fill_critic_inputs(batch, false, networks_.actor.forward(observations, count));
  networks_.critic.forward(critic_inputs, count);
  std::ranges::fill(gradient, -per_row);
  const std::span<const float> input_gradient = networks_.critic.backward(gradient, Mlp::Wanted::inputs);
  for (std::size_t i = 0; i < rows; ++i) action_gradient_[i] = input_gradient[i * kWidth + kObservationSize];
  networks_.actor.backward(std::span<const float>(action_gradient_.data(), rows), Mlp::Wanted::parameters);
  actor_optimizer_.step(networks_.actor.parameters(), networks_.actor.gradient());

  soft_update(networks_.target_critic.parameters(), networks_.critic.parameters(), options_.tau);
  soft_update(networks_.target_actor.parameters(), networks_.actor.parameters(), options_.tau);
}

}  // namespace bitsmith::search
