#pragma once

#include "search/evaluator.hpp"
#include "search/options.hpp"

namespace bitsmith::search {

/// What an evaluation is worth, beside the unquantized network's (0 is "as good as fp32"):
///   accuracy        R = scale * (accuracy - fp32 accuracy), in percent: HAQ, equation 7, with scale 0.1
///   cross_entropy   R = scale * (p - fp32's p), in percent, where p = exp(-cross entropy) is the geometric
///   mean of the
///                   probability that the network gives to the right class. It moves with every image, where
///                   accuracy moves only when one is tipped over, and it is bounded below, so that one
///                   collapsed policy does not dwarf all others.
class Reward {
 public:
  /// Throws UserError when the kind is cross_entropy and `fp32` has none, or when `fp32` is out of range.
  Reward(RewardKind kind, double scale, const Evaluation& fp32);

  /// Throws UserError when the kind is cross_entropy and the evaluation has none.
  double operator()(const Evaluation& evaluation) const;

 private:
  double score(const Evaluation& evaluation) const;  ///< in percent

  RewardKind kind_;
  double scale_, reference_;
};

}  // namespace bitsmith::search
