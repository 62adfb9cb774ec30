#pragma once

#include <array>
#include <vector>

#include "quant/network_info.hpp"
#include "quant/policy.hpp"
#include "search/action_space.hpp"

namespace bitsmith::search {

inline constexpr int kObservationSize = 10;

/// What an agent sees before a step (HAQ, section 3.2), every number in [0, 1]:
///   0 layer index   1 input channels   2 output channels   3 kernel size (1 for linear)   4 stride (0 for
///   linear) 5 input feature map size (height * width; input features for linear)   6 number of weights 7
///   depthwise (0 or 1)   8 1 for the weight step, 0 for the activation step   9 the previous action
/// 0..6 are x -> (x - min) / (max - min) over all layers of the network, pinned ones included, and 0 where
/// all layers are alike. The previous action is that of the decision before in HAQ's order (weight,
/// activation, next layer's weight, ...), forced ones included, as the centre of its bits' bin; 1, "nothing
/// lowered yet", at the beginning.
using Observation = std::array<float, kObservationSize>;

/// Makes observations; the network's part of them is computed once.
class Observer {
 public:
  /// Both must outlive the observer.
  Observer(const quant::NetworkInfo& network, const ActionSpace& space);

  int steps() const { return static_cast<int>(space_.steps().size()); }

  /// Before step `step` (index in ActionSpace::steps()) of an episode that has chosen `policy` so far; its
  /// bits at and after the step are not read. Given a policy that the budget has lowered, it is what the
  /// agent would have seen had it proposed that policy, which is what is kept for learning.
  Observation before(int step, const quant::Policy& policy) const;

 private:
  const ActionSpace& space_;
  std::vector<Observation> of_layer_;
};

}  // namespace bitsmith::search
