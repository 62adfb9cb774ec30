#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "quant/policy.hpp"
#include "search/action_space.hpp"

namespace bitsmith::search {

/// What a policy costs, one price per constraint.
using Prices = std::function<std::vector<double>(const quant::Policy&)>;

struct Feasibility {
  std::optional<quant::Policy> policy;  ///< within every limit, if one was found
  std::vector<double> tightest;  ///< without a policy: per constraint, the lowest price found, by itself
  bool proven = false;           ///< without a policy: there is none, not just none found
};

/// Looks for any policy within all limits, lowering bits is not taken to lower prices.
///
/// The Pareto set of sums of single-layer changes is built layer by layer (dynamic programming). Where prices
/// are such sums (`are_sums`: every model says so), "none" is a proof unless the set had to be cut. Where
/// they are not (conversions between layers), or where decisions are tied (the sums know of no ties, so that
/// "none" holds with them all the more), it is one of the starts, with the uniform policies, of a
/// coordinate descent on the true prices.
Feasibility find_feasible(const ActionSpace& space, const Prices& prices, std::span<const double> limits,
                          bool are_sums);

/// The same where every price is a program run: the lowest bits, then uniform policies from low to high.
/// Never proven.
Feasibility find_feasible_by_few_prices(const ActionSpace& space, const Prices& prices,
                                        std::span<const double> limits);

bool within(std::span<const double> prices, std::span<const double> limits);

}  // namespace bitsmith::search
