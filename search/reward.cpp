#include "search/reward.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::search {

Reward::Reward(RewardKind kind, double scale, const Evaluation& fp32)
    : kind_(kind), scale_(scale), reference_(0) {
  if (!std::isfinite(scale) || scale <= 0) {
    throw base::UserError(fmt::format("search.reward_scale: got {:g}, allowed is a positive number", scale));
  }
  reference_ = score(fp32);
}

double Reward::operator()(const Evaluation& evaluation) const {
  return scale_ * (score(evaluation) - reference_);
}

double Reward::score(const Evaluation& evaluation) const {
  constexpr double kPercent = 100.0;
  if (kind_ == RewardKind::accuracy) {
    if (!(evaluation.accuracy >= 0 && evaluation.accuracy <= 1)) {
      throw base::UserError(
          fmt::format("an evaluation's accuracy is {:g}, expected 0 to 1", evaluation.accuracy));
    }
    return kPercent * evaluation.accuracy;
  }
  if (std::isnan(evaluation.cross_entropy)) {
    throw base::UserError(
        "search.reward is cross_entropy, but the evaluator gives no cross entropy; use accuracy");
  }
  if (evaluation.cross_entropy < 0) {
    throw base::UserError(fmt::format("an evaluation's cross entropy is {:g}, expected a number >= 0",
                                      evaluation.cross_entropy));
  }
  return kPercent * std::exp(-evaluation.cross_entropy);
}

}  // namespace bitsmith::search
