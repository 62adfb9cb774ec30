#include "search/feasibility.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace bitsmith::search {
namespace {

constexpr double kRounding = 1e-9;         // sums in another order differ by less, relatively
constexpr std::size_t kMostPoints = 2048;  // of a Pareto set

using Point = std::vector<double>;

struct Change {
  quant::LayerFormats bits;
  Point added;  // to the price of the lowest policy
};

bool dominates(const Point& a, const Point& b) {
  for (std::size_t m = 0; m < a.size(); ++m) {
    if (a[m] > b[m]) return false;
  }
  return true;
}

double excess(std::span<const double> prices, std::span<const double> limits) {
  double sum = 0;
  for (std::size_t m = 0; m < limits.size(); ++m) sum += std::max(0.0, prices[m] / limits[m] - 1.0);
  return sum;
}

void keep_lower(std::vector<double>& tightest, std::span<const double> prices) {
  for (std::size_t m = 0; m < tightest.size(); ++m) tightest[m] = std::min(tightest[m], prices[m]);
}

std::vector<quant::LayerFormats> pairs(const ActionSpace& space, int layer) {
  std::vector<quant::LayerFormats> all;
  for (quant::Format weight : space.choices(layer, Part::weight)) {
    for (quant::Format activation : space.choices(layer, Part::activation))
      all.push_back({weight, activation});
  }
  return all;
}

/// Every pair of bits that some layer may have.
std::set<quant::LayerFormats> uniform_bits(const ActionSpace& space) {
  std::set<quant::LayerFormats> all;
  for (int layer = 0; layer < space.layers(); ++layer)
    for (quant::LayerFormats bits : pairs(space, layer)) all.insert(bits);
  return all;
}

/// Of every layer, the changes that no other change of that layer beats in all prices.
std::vector<std::vector<Change>> useful_changes(const ActionSpace& space, const Prices& prices,
                                                const quant::Policy& lowest, const Point& lowest_prices) {
  std::vector<std::vector<Change>> of_layers;
  for (int layer = 0; layer < space.layers(); ++layer) {
    std::vector<Change> useful;
    for (quant::LayerFormats bits : pairs(space, layer)) {
      quant::Policy policy = lowest;
      policy.layers[static_cast<std::size_t>(layer)] = bits;
      Change change{bits, prices(policy)};
      for (std::size_t m = 0; m < lowest_prices.size(); ++m) change.added[m] -= lowest_prices[m];
      if (std::ranges::any_of(useful,
                              [&](const Change& other) { return dominates(other.added, change.added); })) {
        continue;
      }
      std::erase_if(useful, [&](const Change& other) { return dominates(change.added, other.added); });
      useful.push_back(std::move(change));
    }
    of_layers.push_back(std::move(useful));
  }
  return of_layers;
}

/// A sum of changes of the layers so far, and how it came about.
struct Partial {
  Point price;
  std::vector<std::size_t> chosen;
};

/// A policy whose summed price is within the limits; `exact` becomes false where a Pareto set was cut.
std::optional<quant::Policy> solve_additive(const std::vector<std::vector<Change>>& of_layers,
                                            const Point& lowest_prices, std::span<const double> limits,
                                            bool& exact) {
  const std::size_t layers = of_layers.size(), metrics = limits.size();
  std::vector<Point> least_after(layers + 1, Point(metrics, 0.0));
  for (std::size_t l = layers; l-- > 0;) {
    for (std::size_t m = 0; m < metrics; ++m) {
      double least = of_layers[l][0].added[m];
      for (const Change& change : of_layers[l]) least = std::min(least, change.added[m]);
      least_after[l][m] = least_after[l + 1][m] + least;
    }
  }
  std::vector<Partial> front = {{lowest_prices, {}}};
  for (std::size_t l = 0; l < layers; ++l) {
    std::vector<Partial> grown;
    for (const Partial& partial : front) {
      for (std::size_t c = 0; c < of_layers[l].size(); ++c) {
        Partial next = partial;
        bool hopeless = false;
        for (std::size_t m = 0; m < metrics; ++m) {
          next.price[m] += of_layers[l][c].added[m];
          hopeless |= next.price[m] + least_after[l + 1][m] > limits[m] * (1 + kRounding);
        }
        if (hopeless) continue;
        next.chosen.push_back(c);
        grown.push_back(std::move(next));
      }
    }
    // In lexicographic order nothing is dominated by what comes later.
    std::ranges::sort(grown, {}, &Partial::price);
    front.clear();
    for (Partial& partial : grown) {
      const auto beaten = [&](const Partial& other) { return dominates(other.price, partial.price); };
      if (std::ranges::none_of(front, beaten)) front.push_back(std::move(partial));
    }
    if (front.size() > kMostPoints) {
      exact = false;
      std::ranges::sort(front, {}, [&](const Partial& partial) {
        double worst = 0;
        for (std::size_t m = 0; m < metrics; ++m) {
          worst = std::max(worst, (partial.price[m] + least_after[l + 1][m]) / limits[m]);
        }
        return worst;
      });
      front.resize(kMostPoints);
    }
    if (front.empty()) return std::nullopt;
  }
  quant::Policy policy;
  for (std::size_t l = 0; l < layers; ++l) policy.layers.push_back(of_layers[l][front[0].chosen[l]].bits);
  return policy;
}

/// Layer by layer to the pair with the least excess, until nothing improves.
quant::Policy descend(const ActionSpace& space, const Prices& prices, std::span<const double> limits,
                      quant::Policy policy, std::vector<double>& tightest) {
  double best = excess(prices(policy), limits);
  bool improved = true;
  while (best > 0 && improved) {
    improved = false;
    for (int layer = 0; layer < space.layers() && best > 0; ++layer) {
      for (quant::LayerFormats bits : pairs(space, layer)) {
        quant::Policy next = policy;
        space.set(next, {layer, Part::weight}, bits.weight);
        space.set(next, {layer, Part::activation}, bits.activation);
        const std::vector<double> of_next = prices(next);
        keep_lower(tightest, of_next);
        const double candidate = excess(of_next, limits);
        if (candidate < best * (1 - kRounding)) {
          best = candidate;
          policy = std::move(next);
          improved = true;
        }
      }
    }
  }
  return policy;
}

}  // namespace

bool within(std::span<const double> prices, std::span<const double> limits) {
  for (std::size_t m = 0; m < limits.size(); ++m) {
    if (!(prices[m] <= limits[m])) return false;
  }
  return true;
}

Feasibility find_feasible(const ActionSpace& space, const Prices& prices, std::span<const double> limits,
                          bool are_sums) {
  const quant::Policy lowest = space.lowest();
  const Point lowest_prices = prices(lowest);
  if (within(lowest_prices, limits)) return {lowest, {}, false};

  Feasibility result;
  result.tightest = lowest_prices;
  const auto of_layers = useful_changes(space, prices, lowest, lowest_prices);
  // Each metric's cheapest policy by sums of changes: the tightest value to report where prices are sums.
  std::vector<quant::Policy> starts = {lowest};
  for (std::size_t m = 0; m < limits.size(); ++m) {
    quant::Policy cheapest;
    for (const auto& changes : of_layers)
      cheapest.layers.push_back(
          std::ranges::min_element(changes, {}, [m](const Change& change) { return change.added[m]; })->bits);
    cheapest = space.tie(std::move(cheapest));
    const Point true_prices = prices(cheapest);
    keep_lower(result.tightest, true_prices);
    if (within(true_prices, limits)) return {cheapest, {}, false};
    starts.push_back(std::move(cheapest));
  }
  bool exact = true;
  if (auto solution = solve_additive(of_layers, lowest_prices, limits, exact)) {
    *solution = space.tie(std::move(*solution));
    if (within(prices(*solution), limits)) return {solution, {}, false};
    are_sums = false;  // the sums promised what the true prices, or the ties, do not keep
    starts.insert(starts.begin(), std::move(*solution));
  }
  result.proven = are_sums && exact;
  if (result.proven) return result;
  for (quant::LayerFormats bits : uniform_bits(space)) starts.push_back(space.nearest_uniform(bits));
  for (const quant::Policy& start : starts) {
    quant::Policy policy = descend(space, prices, limits, start, result.tightest);
    if (within(prices(policy), limits)) return {policy, {}, false};
  }
  return result;
}

Feasibility find_feasible_by_few_prices(const ActionSpace& space, const Prices& prices,
                                        std::span<const double> limits) {
  std::vector<quant::Policy> candidates = {space.lowest()};
  for (int bits = 1; bits <= 8; ++bits) {
    quant::Policy uniform = space.nearest_uniform({bits, bits});
    if (std::ranges::find(candidates, uniform) == candidates.end()) candidates.push_back(std::move(uniform));
  }
  Feasibility result;
  for (quant::Policy& policy : candidates) {
    const std::vector<double> of_policy = prices(policy);
    if (within(of_policy, limits)) return {std::move(policy), {}, false};
    if (result.tightest.empty()) result.tightest = of_policy;
    keep_lower(result.tightest, of_policy);
  }
  return result;
}

}  // namespace bitsmith::search
