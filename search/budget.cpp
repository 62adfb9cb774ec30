#include "search/budget.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "search/feasibility.hpp"

namespace bitsmith::search {
namespace {

// Prices that differ by less are the same sum, rounded differently.
constexpr double kRounding = 1e-12;

constexpr Part kLoweringOrder[] = {Part::activation, Part::weight};

struct Move {
  Step step;
  quant::Format bits;
};

/// The way from one policy to another in HAQ's order, one choice of one decision at a time: first everything
/// that goes down, then, if anything does, what goes up.
std::vector<Move> moves_towards(const ActionSpace& space, quant::Policy from, const quant::Policy& to) {
  std::vector<Move> moves;
  for (const bool down : {true, false}) {
    for (bool moved = true; moved;) {
      moved = false;
      for (int layer = space.layers() - 1; layer >= 0; --layer) {
        for (Part part : kLoweringOrder) {
          const Step step{layer, part};
          const quant::Format bits = bits_of(from, step);
          const quant::Format wanted = bits_of(to, step);
          if (down ? bits <= wanted : bits >= wanted) continue;
          const auto choices = space.choices(layer, part);
          const auto here = std::ranges::lower_bound(choices, bits);
          moves.push_back({step, down ? *(here - 1) : *(here + 1)});
          space.set(from, step, moves.back().bits);
          moved = true;
        }
      }
    }
  }
  return moves;
}

quant::Policy after(const ActionSpace& space, quant::Policy policy, const std::vector<Move>& moves,
                    std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) space.set(policy, moves[i].step, moves[i].bits);
  return policy;
}

}  // namespace

Budget::Budget(const quant::NetworkInfo& network, const ActionSpace& space,
               const hwmodels::CostModels& models, std::vector<Constraint> constraints)
    : network_(network), space_(space), models_(models), constraints_(std::move(constraints)) {
  for (const Constraint& constraint : constraints_) {
    base::require(constraint.metric < models.metrics().size(), "a constraint on a metric that no model has");
    limits_.push_back(constraint.limit);
  }
  if (constraints_.empty()) {
    feasible_ = space.lowest();
    return;
  }
  const Prices prices = [this](const quant::Policy& policy) { return constrained_prices(policy); };
  const bool are_sums = std::ranges::all_of(constraints_, [&](const Constraint& constraint) {
    return models.is_sum_over_layers(constraint.metric);
  });
  Feasibility found = models.is_cheap() ? find_feasible(space, prices, limits_, are_sums)
                                        : find_feasible_by_few_prices(space, prices, limits_);
  if (!found.policy) throw base::UserError(explain(found.tightest, found.proven));
  feasible_ = std::move(*found.policy);
}

std::string Budget::explain(std::span<const double> tightest, bool proven) const {
  std::string text = fmt::format("{} within the budget:", proven ? "no policy is" : "no policy was found");
  bool each_alone = true;
  for (std::size_t m = 0; m < constraints_.size(); ++m) {
    const bool kept = tightest[m] <= limits_[m];
    each_alone &= kept;
    text += fmt::format("\n  {}: the tightest achievable is {:.6g} {}{}", constraints_[m].describe(),
                        tightest[m], constraints_[m].unit, kept ? "" : "  <- not achievable");
  }
  if (each_alone) text += "\n  each can be met by itself, but not all at once";
  if (!models_.is_cheap())
    text += "\n  (of the lowest bits everywhere and of uniform policies, the only ones priced)";
  return text +
         "\n  raise the budget, or allow fewer bits (search.weight_bits, search.activation_bits, pinned "
         "layers)";
}

std::vector<double> Budget::price(const quant::Policy& policy) const {
  const bool remember = !models_.is_cheap();
  if (remember) {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_prices_.find(policy); found != known_prices_.end()) return found->second;
  }
  std::vector<double> totals = models_.totals(network_, policy);
  base::require(totals.size() == models_.metrics().size(), "cost models returned another number of prices");
  for (std::size_t m = 0; m < totals.size(); ++m) {
    if (!std::isfinite(totals[m]) || totals[m] < 0) {
      throw base::UserError(fmt::format("cost model: {} of policy {} is {}, expected a finite number >= 0",
                                        models_.metrics()[m].name, quant::policy_to_string(policy),
                                        totals[m]));
    }
  }
  if (remember) {
    const std::lock_guard lock(mutex_);
    known_prices_.emplace(policy, totals);
  }
  return totals;
}

std::vector<double> Budget::constrained_prices(const quant::Policy& policy) const {
  const std::vector<double> totals = price(policy);
  std::vector<double> prices;
  prices.reserve(constraints_.size());
  for (const Constraint& constraint : constraints_) prices.push_back(totals[constraint.metric]);
  return prices;
}

bool Budget::within(std::span<const double> totals) const {
  return std::ranges::all_of(constraints_, [&](const Constraint& constraint) {
    return totals[constraint.metric] <= constraint.limit;
  });
}

quant::Policy Budget::enforce(quant::Policy policy) const {
  policy = space_.pin(std::move(policy));
  base::require(space_.allows(policy), "a proposed policy has bits that the action space does not allow");
  if (constraints_.empty() || search::within(constrained_prices(policy), limits_)) return policy;
  policy = models_.is_cheap() ? lower_where_it_pays(std::move(policy)) : bisect(policy);
  base::require(search::within(constrained_prices(policy), limits_),
                "a policy left the budget's wall over budget");
  return policy;
}

bool Budget::pays(std::span<const double> before, std::span<const double> after_it) const {
  bool lowers = false;
  for (std::size_t m = 0; m < limits_.size(); ++m) {
    if (after_it[m] > std::max(before[m], limits_[m])) return false;
    lowers |= before[m] > limits_[m] && after_it[m] < before[m] * (1 - kRounding);
  }
  return lowers;
}

quant::Policy Budget::lower_where_it_pays(quant::Policy policy) const {
  std::vector<double> prices = constrained_prices(policy);
  for (bool moved = true; moved;) {
    moved = false;
    for (int layer = space_.layers() - 1; layer >= 0; --layer) {
      for (Part part : kLoweringOrder) {
        const auto choices = space_.choices(layer, part);
        const Step step{layer, part};
        const quant::Format current = bits_of(policy, step);
        auto here = std::ranges::lower_bound(choices, current);
        while (here != choices.begin()) {
          space_.set(policy, step, *--here);
          std::vector<double> lowered = constrained_prices(policy);
          if (pays(prices, lowered)) {
            prices = std::move(lowered);
            moved = true;
            break;
          }
          space_.set(policy, step, current);
        }
        if (search::within(prices, limits_)) return policy;
      }
    }
  }
  for (const Move& move : moves_towards(space_, policy, feasible_)) {
    space_.set(policy, move.step, move.bits);
    if (search::within(constrained_prices(policy), limits_)) return policy;
  }
  return policy;  // is feasible_
}

quant::Policy Budget::bisect(const quant::Policy& policy) const {
  const std::vector<Move> moves = moves_towards(space_, policy, feasible_);
  // Over the budget after `over` moves, within it after `under`, where the way ends at feasible_.
  std::size_t over = 0, under = moves.size();
  while (under - over > 1) {
    const std::size_t middle = over + (under - over) / 2;
    (search::within(constrained_prices(after(space_, policy, moves, middle)), limits_) ? under : over) =
        middle;
  }
  return after(space_, policy, moves, under);
}

}  // namespace bitsmith::search
