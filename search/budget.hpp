#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "hwmodels/cost_model.hpp"
#include "quant/network_info.hpp"
#include "quant/policy.hpp"
#include "search/action_space.hpp"
#include "search/constraint.hpp"

namespace bitsmith::search {

/// All constraints together; HAQ's "final action wall" (section 3.4), made safe. Const methods are
/// thread-safe.
///
/// That a Budget exists is the proof that some policy meets it: the constructor finds one, before anything is
/// trained.
class Budget {
 public:
  /// All three references must outlive the budget. Throws UserError when no policy within all constraints is
  /// found, naming each constraint, its limit and the tightest value achievable, and whether that is proven.
  Budget(const quant::NetworkInfo& network, const ActionSpace& space, const hwmodels::CostModels& models,
         std::vector<Constraint> constraints);

  /// CostModels::totals, remembered where a price is a program run. Throws UserError for a price that is not
  /// finite and >= 0.
  std::vector<double> price(const quant::Policy& policy) const;
  /// Of CostModels::totals.
  bool within(std::span<const double> totals) const;

  /// A policy that the action space allows and that is within every limit. Pinned layers are pinned, whatever
  /// was proposed; a policy within the budget is returned as it is.
  ///
  /// HAQ's order: from the last layer to the first, first its activation, then its weight bits are lowered by
  /// one choice, again and again until the budget is met. But a step is taken only if it lowers the price of
  /// a violated constraint without raising another violated one and without breaking one that is kept;
  /// choices that change nothing are jumped over. On a real machine 5, 6 and 7 bits often cost what 8 do, and
  /// activation bits cost no storage: lowering them would give accuracy away for nothing. Where such steps
  /// run out (prices need not fall with bits), the policy walks in the same order towards a policy known to
  /// be within the budget.
  ///
  /// Where a price is a program run, the steps are taken blindly towards that known policy (the lowest bits,
  /// normally) and their number is found by bisection: about log2(number of steps) prices. What is returned
  /// has been priced.
  quant::Policy enforce(quant::Policy policy) const;

  std::span<const Constraint> constraints() const { return constraints_; }
  const ActionSpace& space() const { return space_; }
  const quant::NetworkInfo& network() const { return network_; }
  bool is_cheap() const { return models_.is_cheap(); }
  /// Some policy within the budget.
  const quant::Policy& known_feasible() const { return feasible_; }

 private:
  std::vector<double> constrained_prices(const quant::Policy& policy) const;
  quant::Policy lower_where_it_pays(quant::Policy policy) const;
  quant::Policy bisect(const quant::Policy& policy) const;
  bool pays(std::span<const double> before, std::span<const double> after) const;
  std::string explain(std::span<const double> tightest, bool proven) const;

  const quant::NetworkInfo& network_;
  const ActionSpace& space_;
  const hwmodels::CostModels& models_;
  std::vector<Constraint> constraints_;
  std::vector<double> limits_;  // of constraints_
  quant::Policy feasible_;

  struct PolicyHash {
    std::size_t operator()(const quant::Policy& policy) const { return policy.hash(); }
  };
  mutable std::mutex mutex_;  // of known_prices_
  mutable std::unordered_map<quant::Policy, std::vector<double>, PolicyHash> known_prices_;
};

}  // namespace bitsmith::search
