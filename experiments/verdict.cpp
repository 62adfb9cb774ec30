#include "experiments/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace bitsmith::experiments {
namespace {

// Prices are medians of measurements: differences below this are theirs, not the policies'.
constexpr double kMeasurable = 0.02;

const MethodSummary* find_method(const RunResults& results, const std::string& name) {
  const auto found = std::ranges::find(results.methods, name, &MethodSummary::name);
  return found == results.methods.end() ? nullptr : &*found;
}

/// The least latency among all policies that were evaluated: each of them is within the budget.
double fastest_tried(const RunResults& results) {
  double fastest = kUnknown;
  const auto metric = std::ranges::find(results.metrics, "latency_ms", &hwmodels::Metric::name);
  if (metric == results.metrics.end()) return fastest;
  const auto column = static_cast<std::size_t>(metric - results.metrics.begin());
  for (const SearchHistory& search : results.searches)
    for (const search::EpisodeRecord& episode : search.episodes)
      if (column < episode.costs.size()) fastest = std::fmin(fastest, episode.costs[column]);
  return fastest;
}

}  // namespace

std::string latency_verdict(const RunResults& results) {
  const MethodSummary* winner = find_method(results, results.winner.method);
  const MethodSummary* uniform = find_method(results, "uniform8");
  if (winner == nullptr || uniform == nullptr) return {};
  const double least = std::fmin(fastest_tried(results), winner->latency_ms);
  if (!std::isfinite(least) || !std::isfinite(winner->latency_ms) || !(uniform->latency_ms > 0)) return {};
  const double gain = 1 - winner->latency_ms / uniform->latency_ms;
  if (gain > kMeasurable)
    return fmt::format("The winner takes {:.1f} % less time than uniform 8 bit on this hardware.",
                       100 * gain);
  const double best_gain = 1 - least / uniform->latency_ms;
  if (best_gain > kMeasurable)
    return fmt::format(
        "The winner is not faster than uniform 8 bit on this hardware; the fastest policy tried takes "
        "{:.1f} % less time.",
        100 * best_gain);
  return "No policy tried within the budget is faster than uniform 8 bit on this hardware: fewer bits save "
         "size and bit "
         "operations here, not time.";
}

}  // namespace bitsmith::experiments
