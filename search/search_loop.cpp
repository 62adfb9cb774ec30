#include "search/search_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"

namespace bitsmith::search {
namespace {

bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

/// The episodes of a round as far as they can be had without evaluating.
std::vector<EpisodeRecord> fit_to_budget(std::vector<quant::Policy> proposed, int first_episode,
                                         const Budget& budget) {
  std::vector<EpisodeRecord> records(proposed.size());
  base::parallel_for(static_cast<int>(proposed.size()), [&](int i) {
    const base::Sequential alone;
    EpisodeRecord& record = records[static_cast<std::size_t>(i)];
    record.episode = first_episode + i;
    record.proposed = std::move(proposed[static_cast<std::size_t>(i)]);
    record.policy = budget.enforce(record.proposed);
    record.costs = budget.price(record.policy);
  });
  return records;
}

/// Takes over what an earlier run recorded; where prices are program runs, its word for them too.
void check_recorded(const EpisodeRecord& now, const EpisodeRecord& then, std::string_view search) {
  if (now.proposed == then.proposed && now.policy == then.policy &&
      std::ranges::equal(now.costs, then.costs, same)) {
    return;
  }
  throw base::UserError(fmt::format(
      "episode {} of search '{}' was recorded with another policy or price than this run has for it: the "
      "journal belongs to another run (or another version of the program); begin a new one",
      then.episode, search));
}

/// Those recorded come without pricing: a program need not be run again, and might answer otherwise.
std::vector<EpisodeRecord> begin_round(std::vector<quant::Policy> proposed, int first_episode,
                                       const Budget& budget, std::span<const EpisodeRecord> recorded,
                                       std::string_view search) {
  const std::size_t known = std::min(recorded.size(), proposed.size());
  std::vector<EpisodeRecord> records(recorded.begin(), recorded.begin() + static_cast<std::ptrdiff_t>(known));
  if (budget.is_cheap()) {
    const auto replayed = fit_to_budget(
        {proposed.begin(), proposed.begin() + static_cast<std::ptrdiff_t>(known)}, first_episode, budget);
    for (std::size_t i = 0; i < known; ++i) check_recorded(replayed[i], records[i], search);
  } else {
    for (std::size_t i = 0; i < known; ++i) {
      EpisodeRecord replayed = records[i];
      replayed.proposed = proposed[i];
      check_recorded(replayed, records[i], search);
    }
  }
  auto fresh = fit_to_budget({proposed.begin() + static_cast<std::ptrdiff_t>(known), proposed.end()},
                             first_episode + static_cast<int>(known), budget);
  std::ranges::move(fresh, std::back_inserter(records));
  return records;
}

/// Evaluates each policy that is in neither the cache nor an earlier episode of the round, in parallel, and
/// fills in the episodes in order. Those recorded (the first `known`) are only put into the cache.
void evaluate(std::span<EpisodeRecord> records, std::size_t known, AccuracyEvaluator& evaluator,
              EvaluationCache& cache, const Reward& reward) {
  for (const EpisodeRecord& record : records.first(known)) cache.insert(record.policy, record.evaluation);
  const std::span<EpisodeRecord> fresh = records.subspan(known);
  std::vector<EpisodeRecord*> missing;
  for (EpisodeRecord& record : fresh) {
    const auto is_same = [&](const EpisodeRecord* other) { return other->policy == record.policy; };
    record.cached = cache.find(record.policy).has_value() || std::ranges::any_of(missing, is_same);
    if (!record.cached) missing.push_back(&record);
  }
  base::parallel_for(static_cast<int>(missing.size()), [&](int i) {
    const base::Sequential alone;
    EpisodeRecord& record = *missing[static_cast<std::size_t>(i)];
    record.evaluation = evaluator.evaluate(record.policy);
  });
  for (const EpisodeRecord* record : missing) cache.insert(record->policy, record->evaluation);
  for (EpisodeRecord& record : fresh) {
    record.evaluation = *cache.find(record.policy);
    record.reward = reward(record.evaluation);
  }
}

}  // namespace

std::vector<EpisodeRecord> run_search(PolicySearch& search, const Budget& budget,
                                      AccuracyEvaluator& evaluator, EvaluationCache& cache,
                                      const Reward& reward, const SearchLoopOptions& options,
                                      std::span<const EpisodeRecord> recorded, const OnRound& on_round,
                                      const base::Progress& progress) {
  if (options.episodes < 1 || options.round < 1) {
    throw base::UserError(
        fmt::format("search.episodes and search.round: got {} and {}, allowed are numbers >= 1",
                    options.episodes, options.round));
  }
  const auto wanted = static_cast<std::size_t>(options.episodes);
  if (recorded.size() > wanted) {
    throw base::UserError(fmt::format("the journal of search '{}' holds {} episodes, but {} are asked for",
                                      search.name(), recorded.size(), wanted));
  }
  std::vector<EpisodeRecord> episodes;
  double best = -std::numeric_limits<double>::infinity();
  while (episodes.size() < wanted) {
    const std::size_t done = episodes.size();
    const int first = static_cast<int>(done);
    const int count = std::min(options.round, options.episodes - first);
    auto proposed = search.propose(first, count);
    if (proposed.empty()) break;

    const auto recorded_here = recorded.subspan(std::min(done, recorded.size()));
    auto records = begin_round(std::move(proposed), first, budget, recorded_here, search.name());
    const std::size_t known = std::min(recorded_here.size(), records.size());
    evaluate(records, known, evaluator, cache, reward);
    if (on_round && known < records.size()) on_round(std::span<const EpisodeRecord>(records).subspan(known));
    search.observe(records);

    for (const EpisodeRecord& record : records) best = std::max(best, record.reward);
    std::ranges::move(records, std::back_inserter(episodes));
    progress("episode", static_cast<double>(episodes.size()), static_cast<double>(wanted),
             fmt::format("best reward {:.3f}", best));
  }
  if (episodes.size() < recorded.size()) {
    throw base::UserError(
        fmt::format("the journal of search '{}' holds {} episodes, but it proposes only {}: the journal "
                    "belongs to another run",
                    search.name(), recorded.size(), episodes.size()));
  }
  return episodes;
}

}  // namespace bitsmith::search
