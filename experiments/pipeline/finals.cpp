#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "experiments/pipeline/comparison.hpp"
#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"

namespace bitsmith::experiments {
namespace {

struct PolicyHash {
  std::size_t operator()(const quant::Policy& policy) const { return policy.hash(); }
};
using Scores = std::unordered_map<quant::Policy, search::Evaluation, PolicyHash>;

void add_distinct(std::vector<quant::Policy>& policies, const quant::Policy& policy) {
  if (std::find(policies.begin(), policies.end(), policy) == policies.end()) policies.push_back(policy);
}

/// Scores all, in parallel, each on one thread.
template <class Score>
Scores score_all(const std::vector<quant::Policy>& policies, const Reporter& reporter, const char* unit,
                 Score&& score) {
  std::vector<search::Evaluation> found(policies.size());
  std::atomic<int> done = 0;
  base::parallel_for(static_cast<int>(policies.size()), [&](int i) {
    const base::Sequential alone;
    found[static_cast<std::size_t>(i)] = score(policies[static_cast<std::size_t>(i)]);
    reporter.progress(unit, ++done, static_cast<double>(policies.size()), "");
  });
  Scores scores;
  for (std::size_t i = 0; i < policies.size(); ++i) scores.emplace(policies[i], found[i]);
  return scores;
}

/// The best few distinct policies of a search, best first.
std::vector<quant::Policy> finalists(const SearchHistory& history, int count) {
  std::vector<const search::EpisodeRecord*> order;
  for (const auto& episode : history.episodes) order.push_back(&episode);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->reward > b->reward; });
  std::vector<quant::Policy> best;
  for (const auto* episode : order) {
    if (static_cast<int>(best.size()) == count) break;
    add_distinct(best, episode->policy);
  }
  return best;
}

const quant::Policy& best_by(const std::vector<quant::Policy>& policies, const Scores& scores) {
  return *std::max_element(policies.begin(), policies.end(), [&](const auto& a, const auto& b) {
    return scores.at(a).accuracy < scores.at(b).accuracy;
  });
}

MethodSummary& row_of(RunResults& results, const std::string& name) {
  for (MethodSummary& row : results.methods)
    if (row.name == name) return row;
  throw base::InternalError("the summary has no row of that name");
}

std::string row_name(const SearchHistory& history) {
  return history.method == "uniform" ? "uniform_best" : history.method;
}

/// fp32 and uniform 8, 6 and 4 bit: rows whose policy nobody chose.
bool is_reference(const MethodSummary& row) {
  return row.name == "fp32" || (row.name.starts_with("uniform") && row.name != "uniform_best");
}

}  // namespace

void run_finals(const Contest& contest, RunResults& results) {
  std::vector<quant::Policy> all;
  for (const SearchHistory& history : results.searches)
    for (const auto& policy : finalists(history, contest.config.search.finalists)) add_distinct(all, policy);
  contest.reporter.stage("finalists on fresh draws");
  const Scores fresh = score_all(all, contest.reporter, "finalist",
                                 [&](const auto& policy) { return contest.scoring.fresh(policy); });

  std::vector<quant::Policy> best;  // of each search, among its own episodes
  std::vector<quant::Policy> finals;
  for (const SearchHistory& history : results.searches) {
    best.push_back(best_by(finalists(history, contest.config.search.finalists), fresh));
    add_distinct(finals, best.back());
  }
  for (const MethodSummary& row : results.methods)
    if (is_reference(row)) add_distinct(finals, row.policy);

  contest.reporter.stage("long fine-tune");
  const Scores scores = score_all(finals, contest.reporter, "final",
                                  [&](const auto& policy) { return contest.scoring.long_finetuned(policy); });
  for (MethodSummary& row : results.methods)
    if (is_reference(row))
      row = summarize(contest, row.name, row.policy, scores.at(row.policy), row.evaluations);
  for (std::size_t i = 0; i < best.size(); ++i) {
    MethodSummary& row = row_of(results, row_name(results.searches[i]));
    // Uniform 8, 6 or 4 bits within the budget are uniform policies like any other.
    if (row.name == "uniform_best")
      for (const MethodSummary& reference : results.methods)
        if (is_reference(reference) && reference.name != "fp32" && reference.within_budget &&
            scores.at(reference.policy).accuracy > scores.at(best[i]).accuracy)
          best[i] = reference.policy;
    row = summarize(contest, row.name, best[i], scores.at(best[i]), row.evaluations);
  }

  const MethodSummary* winner = nullptr;
  for (const char* name : {"uniform_best", "random", "agent"}) {  // of equals, the one with the least effort
    const MethodSummary& row = row_of(results, name);
    if (row.within_budget && (winner == nullptr || row.validation_accuracy > winner->validation_accuracy))
      winner = &row;
  }
  base::require(winner != nullptr,
                "no method ended within the budget, though the budget was proven to be met");
  results.winner.method = winner->name;
  results.winner.policy = winner->policy;

  contest.reporter.stage("test");
  std::unordered_map<quant::Policy, double, PolicyHash> tested;
  for (MethodSummary& row : results.methods) {
    const auto [found, is_new] = tested.try_emplace(row.policy, 0.0);
    if (is_new) found->second = contest.scoring.test(row.policy);
    row.test_accuracy = found->second;
    row.finetuning = contest.scoring.finetuning(row.policy);
  }
}

}  // namespace bitsmith::experiments
