#include <boost/test/unit_test.hpp>

#include "tests/experiments/config/config_text.hpp"

using namespace bitsmith::experiments;

namespace {

Config with(const std::vector<std::string>& overrides) {
  return parse_config(minimal_config + "train: {batch: 64}\n", "c.yaml", overrides);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config_overrides)

BOOST_AUTO_TEST_CASE(an_override_replaces_or_adds_a_value) {
  const Config config = with({"train.batch=32", "search.ddpg.tau=0.5", "search.weight_bits=[4, 8]",
                              "constraint.latency=1.2 ms", "output=results/a=b.h5", "seed=2", "seed=3"});
  BOOST_TEST(config.train.batch == 32);
  BOOST_TEST(config.search.ddpg.tau == 0.5);
  BOOST_TEST(config.search.weight_bits.size() == 2u);
  BOOST_REQUIRE(config.constraints.size() == 2u);
  BOOST_TEST((config.constraints[1] == Constraint{"latency", 1.2, false}));
  BOOST_TEST(config.output == "results/a=b.h5");
  BOOST_TEST(config.seed == 3);
}

BOOST_AUTO_TEST_CASE(a_group_can_be_replaced_whole) {
  const Config config = with({"constraint={bops: 0.4x}"});
  BOOST_REQUIRE(config.constraints.size() == 1u);
  BOOST_TEST(config.constraints[0].name == "bops");
}

BOOST_AUTO_TEST_CASE(mistakes_in_overrides_are_shown_with_the_override) {
  BOOST_TEST(problem_of("", {"search.epsiodes=3"}) ==
             "--set search.epsiodes=3: search.epsiodes: unknown key, did you mean 'episodes'?");
  BOOST_TEST(problem_of("", {"train.batch='8'"}) ==
             "--set train.batch='8': train.batch: got \"8\", allowed: an integer, 1 to 65536; write it "
             "without quotes");
  BOOST_TEST(problem_of("", {"train.batch"}) ==
             "--set train.batch: expected KEY=VALUE, e.g. --set search.episodes=400");
  BOOST_TEST(problem_of("", {"=3"}) == "--set =3: expected KEY=VALUE, e.g. --set search.episodes=400");
  BOOST_TEST(problem_of("seed: 3\n", {"seed.x=1"}) ==
             "--set seed.x=1: 'seed' is not a group, its value is '3'");
  BOOST_TEST(problem_of("", {"search.weight_bits=[2"}).starts_with("--set search.weight_bits=[2: value:1:"));
  BOOST_TEST(
      problem_of("", {"search.warmup_episodes=500"})
          .starts_with(
              "--set search.warmup_episodes=500: search.warmup_episodes: 500 of 100 episodes are warm-up"));
  BOOST_TEST(problem_of("", {"seed="}).starts_with("--set seed=: seed: got nothing"));
  BOOST_TEST(problem_of("", {"data..x=1"}).starts_with("--set data..x=1: data.: unknown key"));
}

BOOST_AUTO_TEST_SUITE_END()
