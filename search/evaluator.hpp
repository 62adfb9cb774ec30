#pragma once

#include <cstdint>
#include <string>

#include "quant/policy.hpp"

namespace bitsmith::search {

/// What is left of a network under a policy, on the validation images.
struct Evaluation {
  double accuracy = 0.0;       ///< share of right answers, 0..1
  double cross_entropy = 0.0;  ///< mean, natural logarithm; NaN where the evaluator does not know it
};

/// Says what accuracy a policy leaves. `evaluate` is a function of the policy alone (its randomness is
/// derived from the run seed and the policy), so results may be cached and rounds run in any order; it is
/// called from several threads at once. Throws UserError when the evaluation cannot be had (a user's program
/// that keeps failing).
class AccuracyEvaluator {
 public:
  virtual ~AccuracyEvaluator() = default;
  virtual Evaluation evaluate(const quant::Policy& policy) = 0;
  /// Of everything the answer depends on beside the policy: network weights, data, settings.
  virtual std::string fingerprint() const = 0;
};

}  // namespace bitsmith::search
