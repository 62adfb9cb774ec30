#include "search/ddpg.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <numeric>

#include "tests/search/reference_mlp.hpp"
#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;

namespace {

SearchOptions small() {
  SearchOptions options;
  options.warmup_episodes = 5;
  options.ddpg.hidden = {24, 16};
  options.ddpg.batch = 16;
  return options;
}

Observation random_observation(base::Rng& rng) {
  Observation observation;
  for (float& entry : observation) entry = static_cast<float>(rng.uniform());
  return observation;
}

std::vector<Transition> random_transitions(int count, base::Rng& rng) {
  std::vector<Transition> transitions;
  for (int i = 0; i < count; ++i) {
    transitions.push_back({random_observation(rng), static_cast<float>(rng.uniform()),
                           static_cast<float>(rng.uniform(-1, 1)), random_observation(rng), i % 4 == 3});
  }
  return transitions;
}

std::vector<const Transition*> pointers(const std::vector<Transition>& transitions) {
  std::vector<const Transition*> batch;
  for (const Transition& transition : transitions) batch.push_back(&transition);
  return batch;
}

std::vector<double> widen(const Observation& observation) { return {observation.begin(), observation.end()}; }

std::vector<double> with_action(const Observation& observation, double action) {
  std::vector<double> inputs = widen(observation);
  inputs.push_back(action);
  return inputs;
}

/// One update in float64, straight from the equations.
struct ReferenceDdpg {
  reference::Mlp actor, critic, target_actor, target_critic;
  DdpgOptions options;

  void update(const std::vector<Transition>& batch, double baseline) {
    const auto rows = static_cast<double>(batch.size());
    std::vector<double> critic_gradient(critic.parameters.size()), actor_gradient(actor.parameters.size());
    for (const Transition& t : batch) {
      double target = t.reward - baseline;
      if (!t.terminal) {
        const double next_action = target_actor.forward(widen(t.next)).back()[0];
        target += options.discount * target_critic.forward(with_action(t.next, next_action)).back()[0];
      }
      const auto values = critic.forward(with_action(t.observation, t.action));
      critic.backward(values, {2 / rows * (values.back()[0] - target)}, critic_gradient);
    }
    critic.adam(critic_gradient, options.critic_learning_rate);
    std::vector<double> unused(critic.parameters.size());
    for (const Transition& t : batch) {
      const auto actor_values = actor.forward(widen(t.observation));
      const auto values = critic.forward(with_action(t.observation, actor_values.back()[0]));
      const double slope = critic.backward(values, {-1 / rows}, unused).back();
      actor.backward(actor_values, {slope}, actor_gradient);
    }
    actor.adam(actor_gradient, options.actor_learning_rate);
    for (auto [target, source] : {std::pair{&target_critic, &critic}, std::pair{&target_actor, &actor}}) {
      for (std::size_t i = 0; i < source->parameters.size(); ++i) {
        target->parameters[i] += options.tau * (source->parameters[i] - target->parameters[i]);
      }
    }
  }
};

void check(const Mlp& got, const reference::Mlp& expected, double tolerance) {
  for (std::size_t i = 0; i < got.parameters().size(); ++i) {
    BOOST_TEST(std::abs(got.parameters()[i] - expected.parameters[i]) <= tolerance);
  }
}

/// An environment whose best action is a known function of what is seen, in [0.2, 0.8].
double best_action(const Observation& observation) {
  return 0.2 + 0.6 * (0.7 * observation[2] + 0.3 * observation[8]);
}

/// Mean distance to the best action after learning from episodes of 8 steps whose reward is minus the mean
/// squared one.
double distance_after_learning(std::uint64_t seed, int episodes) {
  constexpr int kSteps = 8;
  SearchOptions options;
  options.warmup_episodes = 20;
  options.ddpg.hidden = {64, 48};
  options.ddpg.actor_learning_rate = 3e-4;
  options.ddpg.critic_learning_rate = 3e-3;
  options.ddpg.noise_decay = 0.985;
  base::Rng initial(seed);
  Ddpg agent(options, kSteps, initial);
  std::vector<Observation> seen(kSteps);
  for (int i = 0; i < kSteps; ++i) {
    seen[static_cast<std::size_t>(i)][0] = static_cast<float>(i) / (kSteps - 1);
    seen[static_cast<std::size_t>(i)][2] = static_cast<float>(i * 3 % kSteps) / (kSteps - 1);
    seen[static_cast<std::size_t>(i)][8] = static_cast<float>(i % 2);
  }
  for (int episode = 0; episode < episodes; ++episode) {
    base::Rng rng(base::derive_seed(seed, "identity", static_cast<std::uint64_t>(episode)));
    Trajectory trajectory{episode, seen, {}, 0.0};
    for (const Observation& observation : seen) {
      const double action = agent.act(episode, observation, rng);
      trajectory.actions.push_back(static_cast<float>(action));
      trajectory.reward -= std::pow(action - best_action(observation), 2) / kSteps;
    }
    agent.learn(trajectory, rng);
  }
  double distance = 0;
  for (const Observation& observation : seen) {
    distance += std::abs(agent.greedy(observation) - best_action(observation)) / kSteps;
  }
  return distance;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ddpg)

BOOST_AUTO_TEST_CASE(the_last_episode_is_what_was_learned_without_noise) {
  SearchOptions options;
  options.episodes = 30;
  options.warmup_episodes = 5;
  base::Rng rng(1);
  Ddpg agent(options, 4, rng);
  const Observation observation{};
  BOOST_TEST(agent.act(28, observation, rng) != agent.greedy(observation));
  BOOST_TEST(agent.act(29, observation, rng) == agent.greedy(observation));
}

BOOST_AUTO_TEST_CASE(updates_are_those_of_the_float64_reference) {
  base::Rng rng(17);
  SearchOptions options = small();
  Ddpg agent(options, 8, rng);
  // Larger last layers than at the start of a run, so that every term counts.
  for (Mlp* network : {&agent.networks().actor, &agent.networks().critic, &agent.networks().target_actor,
                       &agent.networks().target_critic}) {
    for (float& value : network->parameters()) value = static_cast<float>(rng.uniform(-0.5, 0.5));
  }
  const std::vector<int> actor_sizes = {10, 24, 16, 1}, critic_sizes = {11, 24, 16, 1};
  ReferenceDdpg oracle{{actor_sizes, true, agent.networks().actor.parameters()},
                       {critic_sizes, false, agent.networks().critic.parameters()},
                       {actor_sizes, true, agent.networks().target_actor.parameters()},
                       {critic_sizes, false, agent.networks().target_critic.parameters()},
                       options.ddpg};
  // Adam's first steps have the learning rate's size whatever the gradient's: a gradient near its rounding
  // error may move a parameter by up to that the other way. Almost none are.
  constexpr double kTolerance = 2e-5;
  for (int round = 0; round < 5; ++round) {
    const auto transitions = random_transitions(16, rng);
    agent.update(pointers(transitions));
    oracle.update(transitions, agent.baseline());
    check(agent.networks().critic, oracle.critic, kTolerance);
    check(agent.networks().actor, oracle.actor, kTolerance);
    check(agent.networks().target_critic, oracle.target_critic, kTolerance);
    check(agent.networks().target_actor, oracle.target_actor, kTolerance);
  }
}

BOOST_AUTO_TEST_CASE(what_follows_a_terminal_transition_does_not_matter) {
  const auto critic_after = [](float next) {
    base::Rng rng(3);
    Ddpg agent(small(), 8, rng);
    auto transitions = random_transitions(8, rng);
    for (Transition& t : transitions) {
      t.terminal = true;
      t.next.fill(next);
    }
    agent.update(pointers(transitions));
    const auto parameters = agent.networks().critic.parameters();
    return std::vector<float>(parameters.begin(), parameters.end());
  };
  BOOST_TEST((critic_after(0.0f) == critic_after(1.0f)));
}

BOOST_AUTO_TEST_CASE(the_baseline_is_a_moving_average_that_starts_at_the_first_reward) {
  base::Rng rng(1);
  SearchOptions options = small();
  options.ddpg.baseline_decay = 0.5;
  Ddpg agent(options, 1, rng);
  const auto learn = [&](int episode, double reward) {
    agent.learn({episode, {random_observation(rng)}, {0.5f}, reward}, rng);
    return agent.baseline();
  };
  BOOST_TEST(learn(0, 4.0) == 4.0);
  BOOST_TEST(learn(1, 2.0) == 3.0);
  BOOST_TEST(learn(2, 3.0) == 3.0);
  BOOST_CHECK_THROW(learn(3, std::numeric_limits<double>::quiet_NaN()), base::InternalError);
}

BOOST_AUTO_TEST_CASE(nothing_is_learned_during_the_warm_up) {
  base::Rng rng(1);
  Ddpg agent(small(), 2, rng);
  const Observation probe = random_observation(rng);
  const double before = agent.greedy(probe);
  for (int episode = 0; episode < 5; ++episode) {
    agent.learn({episode, {probe, probe}, {0.1f, 0.9f}, 1.0 * episode}, rng);
  }
  BOOST_TEST(agent.greedy(probe) == before);
  agent.learn({5, {probe, probe}, {0.1f, 0.9f}, 1.0}, rng);
  BOOST_TEST(agent.greedy(probe) != before);
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_refused) {
  const auto refused = [](auto change) {
    SearchOptions options = small();
    change(options);
    return toy::message_of([&] {
      base::Rng rng(1);
      Ddpg(options, 1, rng);
    });
  };
  using toy::contains;
  BOOST_TEST(contains(refused([](SearchOptions& o) { o.ddpg.tau = 0; }), "search.ddpg.tau: got 0, allowed"));
  BOOST_TEST(contains(refused([](SearchOptions& o) { o.ddpg.hidden = {}; }), "search.ddpg.hidden"));
  BOOST_TEST(contains(refused([](SearchOptions& o) { o.ddpg.hidden = {0}; }), "search.ddpg.hidden"));
  BOOST_TEST(contains(refused([](SearchOptions& o) { o.ddpg.batch = 0; }), "search.ddpg.batch"));
  BOOST_TEST(
      contains(refused([](SearchOptions& o) { o.ddpg.noise_decay = 1.1; }), "search.ddpg.noise_decay"));
  BOOST_TEST(contains(refused([](SearchOptions& o) { o.ddpg.replay_episodes = 0; }), "replay_episodes"));
  BOOST_TEST(contains(refused([](SearchOptions& o) { o.warmup_episodes = -1; }), "search.warmup_episodes"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(
      contains(refused([=](SearchOptions& o) { o.ddpg.actor_learning_rate = nan; }), "actor_learning_rate"));
}

BOOST_AUTO_TEST_CASE(every_agent_of_the_table_is_deterministic_and_stays_in_range) {
  for (const AgentRow& row : agent_table()) {
    std::vector<std::vector<double>> runs;
    for (int run = 0; run < 2; ++run) {
      SearchOptions options = small();
      options.agent = row.kind;
      base::Rng initial(9), rng(10);
      const auto agent = make_agent(options, 3, initial);
      BOOST_TEST(agent->name() == row.name);
      std::vector<double> actions;
      for (int episode = 0; episode < 12; ++episode) {
        Trajectory trajectory{episode, {}, {}, 0.1 * (episode % 3)};
        for (int step = 0; step < 3; ++step) {
          trajectory.observations.push_back(random_observation(rng));
          actions.push_back(agent->act(episode, trajectory.observations.back(), rng));
          trajectory.actions.push_back(static_cast<float>(actions.back()));
          BOOST_TEST(actions.back() >= 0.0);
          BOOST_TEST(actions.back() <= 1.0);
        }
        agent->learn(trajectory, rng);
      }
      runs.push_back(actions);
    }
    BOOST_TEST((runs[0] == runs[1]));
  }
}

BOOST_AUTO_TEST_CASE(a_known_best_action_is_learned_from_every_seed) {
  // The actor starts at 0.5 everywhere, 0.17 away from the best actions on average.
  constexpr double kLearned = 0.08;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const double distance = distance_after_learning(seed, 400);
    BOOST_TEST(distance < kLearned, "seed " << seed << ": distance " << distance);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(exploration)

BOOST_AUTO_TEST_CASE(noise_decays_from_the_end_of_the_warm_up) {
  const ExplorationNoise noise{0.5, 0.9, 20};
  BOOST_TEST(noise.is_warmup(19));
  BOOST_TEST(!noise.is_warmup(20));
  BOOST_TEST(noise.deviation(20) == 0.5);
  BOOST_TEST(std::abs(noise.deviation(22) - 0.405) < 1e-12);
}

BOOST_AUTO_TEST_CASE(noisy_actions_stay_in_range_and_spread_as_told) {
  base::Rng rng(4);
  const ExplorationNoise noise{0.1, 1.0, 0};
  double sum = 0, squares = 0;
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) {
    const double action = noise.apply(0.5, 3, rng);
    BOOST_REQUIRE((action >= 0 && action <= 1));
    sum += action;
    squares += (action - 0.5) * (action - 0.5);
    BOOST_REQUIRE((noise.apply(1.0, 3, rng) <= 1.0));
  }
  BOOST_TEST(std::abs(sum / kDraws - 0.5) < 0.004);  // more than five standard errors
  BOOST_TEST(std::abs(std::sqrt(squares / kDraws) - 0.1) < 0.004);
}

BOOST_AUTO_TEST_CASE(no_noise_leaves_the_action) {
  base::Rng rng(4);
  BOOST_TEST((ExplorationNoise{0.0, 1.0, 0}.apply(0.3, 9, rng)) == 0.3);
  BOOST_TEST((ExplorationNoise{0.5, 0.5, 0}.apply(1.0, 1000, rng)) == 1.0);
}

BOOST_AUTO_TEST_CASE(the_replay_buffer_keeps_the_latest) {
  ReplayBuffer buffer(3);
  for (int i = 0; i < 8; ++i) buffer.push({{}, static_cast<float>(i), 0, {}, false});
  BOOST_TEST(buffer.size() == 3u);
  float sum = 0;
  for (std::size_t i = 0; i < buffer.size(); ++i) sum += buffer[i].action;
  BOOST_TEST(sum == 5 + 6 + 7);
}

BOOST_AUTO_TEST_CASE(samples_are_uniform_and_repeatable) {
  ReplayBuffer buffer(4);
  base::Rng a(1), b(1);
  std::vector<std::size_t> first(4000), second(4000);
  BOOST_CHECK_THROW(buffer.sample(a, first), base::InternalError);
  for (int i = 0; i < 4; ++i) buffer.push({});
  buffer.sample(b, second);
  base::Rng fresh(1);
  buffer.sample(fresh, first);
  BOOST_TEST((first == second));
  for (std::size_t value = 0; value < 4; ++value) {
    const auto share = static_cast<double>(std::ranges::count(first, value)) / 4000.0;
    BOOST_TEST(std::abs(share - 0.25) < 0.04);  // more than five standard errors
  }
}

BOOST_AUTO_TEST_SUITE_END()
