#include "search/search_loop.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <thread>

#include "quant/base/parallel.hpp"
#include "search/agent_search.hpp"
#include "search/journal.hpp"
#include "search/random_search.hpp"
#include "search/search_table.hpp"
#include "search/uniform.hpp"
#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;
using toy::contains;

namespace {

SearchOptions quick() {
  SearchOptions options;
  options.warmup_episodes = 6;
  options.ddpg.hidden = {32, 24};
  options.ddpg.batch = 16;
  options.ddpg.actor_learning_rate = options.ddpg.critic_learning_rate = 1e-2;  // a few episodes must show
  return options;
}

/// Everything a search needs, at half of uniform 8 bit's size and bit operations.
struct Scene {
  SearchOptions options;
  quant::NetworkInfo network;
  ActionSpace space;
  hwmodels::CostModels models{toy::size_and_bops()};
  Budget budget;
  toy::SeparableEvaluator evaluator;
  Reward reward;

  explicit Scene(int convolutions = 5, SearchOptions search_options = quick())
      : options(std::move(search_options)),
        network(toy::chain(convolutions)),
        space(network, options, {}),
        budget(network, space, models,
               resolve(std::vector<ConstraintSpec>{{"size_kib", 0.5, true}, {"gbops", 0.5, true}}, network,
                       space, models)),
        evaluator(network),
        reward(RewardKind::cross_entropy, 0.1, evaluator.evaluate(quant::uniform_policy(network, {32, 32}))) {
  }

  std::vector<EpisodeRecord> run(std::string_view name, int episodes, int round,
                                 std::span<const EpisodeRecord> recorded = {}, const OnRound& on_round = {},
                                 std::uint64_t seed = 1) {
    const auto search = make_search(name, budget, options, seed);
    EvaluationCache cache;
    return run_search(*search, budget, evaluator, cache, reward, {episodes, round}, recorded, on_round);
  }
};

bool same(const EpisodeRecord& a, const EpisodeRecord& b) {
  return a.episode == b.episode && a.proposed == b.proposed && a.policy == b.policy &&
         a.evaluation.accuracy == b.evaluation.accuracy &&
         a.evaluation.cross_entropy == b.evaluation.cross_entropy && a.reward == b.reward &&
         a.costs == b.costs && a.cached == b.cached;
}

bool same(const std::vector<EpisodeRecord>& a, const std::vector<EpisodeRecord>& b) {
  return std::ranges::equal(a, b, [](const EpisodeRecord& x, const EpisodeRecord& y) { return same(x, y); });
}

double best_reward(const std::vector<EpisodeRecord>& episodes) {
  double best = -1e9;
  for (const EpisodeRecord& record : episodes) best = std::max(best, record.reward);
  return best;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(search_loop)

BOOST_AUTO_TEST_CASE(every_search_of_the_table_stays_within_the_budget) {
  for (const SearchRow& row : search_table()) {
    Scene scene;
    const auto episodes = scene.run(row.name, 14, 4);
    BOOST_TEST(!episodes.empty(), row.name);
    for (std::size_t i = 0; i < episodes.size(); ++i) {
      BOOST_TEST(episodes[i].episode == static_cast<int>(i));
      BOOST_TEST(scene.budget.within(episodes[i].costs));
      BOOST_TEST((episodes[i].costs == scene.models.totals(scene.network, episodes[i].policy)));
      BOOST_TEST(episodes[i].reward == scene.reward(scene.evaluator.evaluate(episodes[i].policy)));
      BOOST_TEST((episodes[i].policy.layers[0] == quant::LayerFormats{8, 8}));
    }
    if (row.name != "uniform") BOOST_TEST(episodes.size() == 14u);
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_search_names_the_nearest) {
  Scene scene;
  BOOST_TEST(contains(toy::message_of([&] { scene.run("radnom", 1, 1); }), "did you mean 'random'?"));
}

BOOST_AUTO_TEST_CASE(results_are_the_same_for_1_2_and_8_threads) {
  for (const SearchRow& row : search_table()) {
    std::vector<std::vector<EpisodeRecord>> runs;
    for (int threads : {1, 2, 8}) {
      base::set_thread_count(threads);
      runs.push_back(Scene().run(row.name, 22, 4));
    }
    base::set_thread_count(0);
    BOOST_TEST(same(runs[0], runs[1]), row.name);
    BOOST_TEST(same(runs[0], runs[2]), row.name);
  }
}

BOOST_AUTO_TEST_CASE(seeds_and_rounds_are_part_of_the_result) {
  Scene scene;
  for (const char* name : {"agent", "random"}) {
    BOOST_TEST(!same(scene.run(name, 16, 4), scene.run(name, 16, 4, {}, {}, 2)), name);
  }
  BOOST_TEST(!same(scene.run("agent", 16, 4), scene.run("agent", 16, 3)));
  BOOST_TEST(same(scene.run("random", 16, 4), scene.run("random", 16, 3)));
}

BOOST_AUTO_TEST_CASE(a_run_interrupted_after_any_episode_ends_like_one_that_was_not) {
  for (const SearchRow& row : search_table()) {
    Scene scene;
    const auto whole = scene.run(row.name, 14, 4);
    for (std::size_t done = 0; done <= whole.size(); ++done) {
      const std::vector<EpisodeRecord> recorded(whole.begin(),
                                                whole.begin() + static_cast<std::ptrdiff_t>(done));
      std::vector<EpisodeRecord> stored = recorded;
      const int before = scene.evaluator.asked;
      const auto resumed = scene.run(row.name, 14, 4, recorded, [&](std::span<const EpisodeRecord> round) {
        stored.insert(stored.end(), round.begin(), round.end());
      });
      BOOST_TEST(same(resumed, whole), row.name << " resumed at " << done);
      BOOST_TEST(same(stored, whole));
      BOOST_TEST(scene.evaluator.asked - before <= static_cast<int>(whole.size() - done));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_resumed_run_may_be_longer) {
  Scene scene;
  const auto shorter = scene.run("agent", 9, 4);
  BOOST_TEST(same(scene.run("agent", 15, 4, shorter), scene.run("agent", 15, 4)));
}

BOOST_AUTO_TEST_CASE(records_of_another_run_are_refused) {
  Scene scene;
  const auto recorded = scene.run("agent", 8, 4);
  const auto refused = [&](const std::vector<EpisodeRecord>& records, std::uint64_t seed = 1,
                           int episodes = 12) {
    return toy::message_of([&] { scene.run("agent", episodes, 4, records, {}, seed); });
  };
  BOOST_TEST(refused(recorded) == "(no error)");
  BOOST_TEST(contains(refused(recorded, 2), "belongs to another run"));
  auto changed = recorded;
  changed[5].proposed.layers[2].weight = changed[5].proposed.layers[2].weight.code() ^ 1;
  BOOST_TEST(contains(refused(changed), "episode 5 of search 'ddpg'"));
  changed = recorded;
  changed[6].costs[0] += 1;
  BOOST_TEST(contains(refused(changed), "episode 6"));
  BOOST_TEST(contains(refused(recorded, 1, 5), "holds 8 episodes, but 5 are asked for"));
  const auto listed = scene.run("uniform", 20, 4);
  auto more = listed;
  more.push_back(listed.back());
  BOOST_TEST(contains(toy::message_of([&] { scene.run("uniform", 20, 4, more); }), "belongs to another run"));
}

BOOST_AUTO_TEST_CASE(a_round_is_stored_before_the_next_one_is_proposed) {
  struct Watch : PolicySearch {
    explicit Watch(const ActionSpace& space) : inner(space, 1) {}
    std::string_view name() const override { return "watch"; }
    std::vector<quant::Policy> propose(int first, int count) override {
      BOOST_TEST(stored == first);
      BOOST_TEST(observed == first);
      return inner.propose(first, count);
    }
    void observe(std::span<const EpisodeRecord> episodes) override {
      observed += static_cast<int>(episodes.size());
    }
    RandomSearch inner;
    int stored = 0, observed = 0;
  };
  Scene scene;
  Watch watch(scene.space);
  EvaluationCache cache;
  run_search(watch, scene.budget, scene.evaluator, cache, scene.reward, {11, 4}, {},
             [&](std::span<const EpisodeRecord> round) { watch.stored += static_cast<int>(round.size()); });
  BOOST_TEST(watch.stored == 11);
}

BOOST_AUTO_TEST_CASE(no_policy_is_evaluated_twice) {
  Scene scene;
  const quant::Policy a = scene.space.nearest_uniform({3, 3}), b = scene.space.nearest_uniform({2, 3});
  ListSearch list("list", {a, a, b, a, b, a});
  EvaluationCache cache;
  const int before = scene.evaluator.asked;
  const auto episodes = run_search(list, scene.budget, scene.evaluator, cache, scene.reward, {6, 4});
  BOOST_TEST(scene.evaluator.asked - before == 2);
  BOOST_TEST(cache.size() == 2u);
  const std::vector<bool> expected = {false, true, false, true, true, true};
  for (std::size_t i = 0; i < 6; ++i) BOOST_TEST(episodes[i].cached == expected[i]);
  BOOST_TEST(episodes[3].reward == episodes[0].reward);
}

BOOST_AUTO_TEST_CASE(what_the_evaluator_throws_ends_the_search_with_earlier_rounds_stored) {
  struct Failing : AccuracyEvaluator {
    Evaluation evaluate(const quant::Policy&) override {
      if (++asked > 6) throw base::UserError("the phone is out of reach");
      return {0.5, 1.0};
    }
    std::string fingerprint() const override { return ""; }
    std::atomic<int> asked = 0;
  };
  Scene scene;
  Failing failing;
  RandomSearch search(scene.space, 1);
  EvaluationCache cache;
  int stored = 0;
  const std::string message = toy::message_of([&] {
    run_search(search, scene.budget, failing, cache, scene.reward, {20, 4}, {},
               [&](std::span<const EpisodeRecord> round) { stored += static_cast<int>(round.size()); });
  });
  BOOST_TEST(message == "the phone is out of reach");
  BOOST_TEST(stored == 4);
}

BOOST_AUTO_TEST_CASE(an_agent_learns_from_the_policy_that_was_evaluated) {
  struct Recorder : Agent {
    std::string_view name() const override { return "recorder"; }
    double act(int, const Observation&, base::Rng&) override {
      return 1.0;
    }  // 8 bits everywhere: over budget
    void learn(const Trajectory& trajectory, base::Rng&) override { learned.push_back(trajectory); }
    std::vector<Trajectory> learned;
  };
  Scene scene;
  auto owned = std::make_unique<Recorder>();
  const Recorder& recorder = *owned;
  AgentSearch search(scene.network, scene.space, std::move(owned), 1);
  EvaluationCache cache;
  const auto episodes = run_search(search, scene.budget, scene.evaluator, cache, scene.reward, {2, 2});
  BOOST_REQUIRE(recorder.learned.size() == 2u);
  BOOST_TEST((episodes[0].proposed != episodes[0].policy));
  const auto steps = scene.space.steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double action = recorder.learned[0].actions[i];
    BOOST_TEST(scene.space.to_bits(steps[i].layer, steps[i].part, action) ==
               bits_of(episodes[0].policy, steps[i]));
    BOOST_TEST((recorder.learned[0].observations[i] ==
                search.observer().before(static_cast<int>(i), episodes[0].policy)));
    if (i > 0) BOOST_TEST(recorder.learned[0].observations[i][9] == recorder.learned[0].actions[i - 1]);
  }
  BOOST_TEST(recorder.learned[1].reward == episodes[1].reward);
}

BOOST_AUTO_TEST_CASE(an_agent_with_nothing_to_choose_is_refused) {
  SearchOptions options = quick();
  options.weight_bits = options.activation_bits = {4};
  const auto network = toy::chain(3);
  const ActionSpace space(network, options, {});
  base::Rng rng(1);
  BOOST_TEST(contains(toy::message_of([&] { AgentSearch(network, space, make_agent(options, 1, rng), 1); }),
                      "nothing to search"));
}

BOOST_AUTO_TEST_CASE(a_killed_and_resumed_search_with_its_journal_ends_the_same) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("bitsmith_loop_" + std::to_string(::getpid()));
  Scene scene;
  const auto whole = scene.run("agent", 12, 4);
  struct Killed {};
  for (int rounds = 0; rounds <= 3; ++rounds) {
    const auto path = folder / ("rounds" + std::to_string(rounds));
    const auto go = [&](int kill_after) {
      Journal journal(path, "the run");
      const std::vector<EpisodeRecord> recorded(journal.recorded().begin(), journal.recorded().end());
      int round = 0;
      return scene.run("agent", 12, 4, recorded, [&](std::span<const EpisodeRecord> records) {
        if (round++ == kill_after) throw Killed();
        journal.append(records);
      });
    };
    try {
      go(rounds);
    } catch (const Killed&) {
    }
    BOOST_TEST(same(go(-1), whole));
  }
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(planted_optimum)

BOOST_AUTO_TEST_CASE(the_agent_beats_random_search_at_equal_evaluations) {
  // Separable loss and prices: 18 decisions of 7 choices. Paired by seed.
  constexpr int kSeeds = 8, kEpisodes = 100, kRound = 4;
  SearchOptions options;
  options.ddpg.hidden = {64, 48};
  options.ddpg.actor_learning_rate = 1e-3;
  options.ddpg.critic_learning_rate = 3e-3;
  options.ddpg.noise_decay = 0.95;
  Scene scene(10, options);
  int wins = 0;
  double gain = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const double agent = best_reward(scene.run("agent", kEpisodes, kRound, {}, {}, seed));
    const double random = best_reward(scene.run("random", kEpisodes, kRound, {}, {}, seed));
    wins += agent > random;
    gain += (agent - random) / kSeeds;
  }
  BOOST_TEST(wins >= kSeeds - 2,
             "agent better than random search for " << wins << " of " << kSeeds << " seeds");
  BOOST_TEST(gain > 0.0);
}

BOOST_AUTO_TEST_SUITE_END()
