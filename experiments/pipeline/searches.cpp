#include <algorithm>
#include <cstdint>
#include <utility>

#include "experiments/pipeline/comparison.hpp"
#include "quant/base/parallel.hpp"
#include "search/evaluation_cache.hpp"
#include "search/journal.hpp"
#include "search/reward.hpp"
#include "search/search_loop.hpp"
#include "search/search_table.hpp"
#include "search/uniform.hpp"

namespace bitsmith::experiments {
namespace {

/// "uniform 8" of the library is "uniform8" in results: a word.
std::string method_name(std::string name) {
  std::erase(name, ' ');
  return name;
}

void add_references(const Contest& contest, search::EvaluationCache& cache, RunResults& results) {
  const auto references = search::uniform_references(contest.budget.network(), contest.budget.space());
  std::vector<search::Evaluation> scores(references.size());
  base::parallel_for(static_cast<int>(references.size()), [&](int i) {
    const base::Sequential alone;
    const auto at = static_cast<std::size_t>(i);
    scores[at] = contest.scoring.short_evaluator().evaluate(references[at].policy);
  });
  for (std::size_t i = 0; i < references.size(); ++i) {
    cache.insert(references[i].policy, scores[i]);
    results.methods.push_back(
        summarize(contest, method_name(references[i].name), references[i].policy, scores[i], 1));
  }
}

const search::EpisodeRecord& best_of(const std::vector<search::EpisodeRecord>& episodes) {
  return *std::max_element(episodes.begin(), episodes.end(),
                           [](const auto& a, const auto& b) { return a.reward < b.reward; });
}

}  // namespace

MethodSummary summarize(const Contest& contest, std::string name, const quant::Policy& policy,
                        const search::Evaluation& score, int evaluations) {
  const quant::NetworkInfo& network = contest.budget.network();
  const std::vector<double> costs = contest.budget.price(policy);
  const auto cost = [&](std::string_view metric) {
    const int index = contest.models.find_metric(metric);
    return index < 0 ? kUnknown : costs[static_cast<std::size_t>(index)];
  };
  MethodSummary row;
  row.name = std::move(name);
  row.within_budget = contest.budget.within(costs);
  row.validation_accuracy = score.accuracy;
  row.latency_ms = cost("latency_ms");
  row.size_kib = cost("size_kib");
  row.gbops = cost("gbops");
  row.mean_weight_bits = policy.mean_weight_bits(network);
  row.mean_activation_bits = policy.mean_activation_bits(network);
  row.evaluations = evaluations;
  row.policy = policy;
  return row;
}

void run_searches(const Contest& contest, RunResults& results) {
  const auto& options = contest.config.search;
  const auto& network = contest.budget.network();
  const search::Evaluation fp32 = contest.scoring.fp32();
  const search::Reward reward(options.reward, options.reward_scale, fp32);
  results.methods.push_back(summarize(contest, "fp32", quant::uniform_policy(network, {}), fp32, 0));

  search::EvaluationCache cache;
  contest.reporter.stage("uniform policies");
  add_references(contest, cache, results);

  const auto search_with = [&](const std::string& method, search::PolicySearch& search, int episodes) {
    search::Journal journal(contest.workspace.journal(method), contest.identity + " " + method);
    auto history = search::run_search(
        search, contest.budget, contest.scoring.short_evaluator(), cache, reward, {episodes, options.round},
        journal.recorded(), [&](auto round) { journal.append(round); }, contest.reporter.progress);
    const search::EpisodeRecord& best = best_of(history);
    results.methods.push_back(summarize(contest, method == "uniform" ? "uniform_best" : method, best.policy,
                                        best.evaluation, static_cast<int>(history.size())));
    results.searches.push_back({method, std::move(history)});
  };

  std::vector<quant::Policy> uniform;
  for (auto& named : search::uniform_within(contest.budget)) uniform.push_back(std::move(named.policy));
  // A budget that no uniform policy meets is met by the lowest bits' neighbour that the budget knows.
  if (uniform.empty()) uniform.push_back(contest.budget.known_feasible());
  const int candidates = static_cast<int>(uniform.size());
  search::ListSearch uniform_search("uniform", std::move(uniform));
  search_with("uniform", uniform_search, candidates);

  const auto seed = static_cast<std::uint64_t>(contest.config.seed);
  for (const char* method : {"random", "agent"}) {
    contest.reporter.stage(std::string(method) + " search");
    const auto search = search::make_search(method, contest.budget, options, seed);
    search_with(method, *search, options.episodes);
  }
}

}  // namespace bitsmith::experiments
