#include "experiments/verdict.hpp"

#include <boost/test/unit_test.hpp>

using namespace bitsmith::experiments;

namespace {

/// Uniform 8 bit takes 1 ms, the winner and the fastest other policy what is given.
RunResults results_with(double winner_ms, double fastest_ms) {
  RunResults results;
  results.metrics = {{"size_kib", "KiB"}, {"latency_ms", "ms"}};
  MethodSummary uniform, agent;
  uniform.name = "uniform8";
  uniform.latency_ms = 1;
  agent.name = "agent";
  agent.latency_ms = winner_ms;
  results.methods = {uniform, agent};
  results.winner.method = "agent";
  bitsmith::search::EpisodeRecord episode;
  episode.costs = {10, fastest_ms};
  results.searches = {{"agent", {episode}}};
  return results;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(verdict)

BOOST_AUTO_TEST_CASE(a_faster_winner_says_by_how_much) {
  BOOST_TEST(latency_verdict(results_with(0.8, 0.7)).find("20.0 % less time than uniform 8 bit") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_slower_winner_names_what_others_reach) {
  BOOST_TEST(latency_verdict(results_with(1.1, 0.7)).find("the fastest policy tried takes 30.0 % less") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(where_fewer_bits_save_no_time_it_says_so) {
  BOOST_TEST(
      latency_verdict(results_with(1.0, 0.99)).starts_with("No policy tried within the budget is faster"));
}

BOOST_AUTO_TEST_CASE(without_prices_of_latency_there_is_no_verdict) {
  BOOST_TEST(latency_verdict(results_with(kUnknown, kUnknown)) == "");
  BOOST_TEST(latency_verdict({}) == "");
}

BOOST_AUTO_TEST_SUITE_END()
