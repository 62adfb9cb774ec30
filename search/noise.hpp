#pragma once

#include "quant/base/random.hpp"

namespace bitsmith::search {

/// Exploration: truncated normal noise on [0, 1] whose width decays per episode after the warm-up (HAQ,
/// section 3.7).
struct ExplorationNoise {
  double initial = 0.5;  ///< standard deviation in the first episode after the warm-up
  double decay = 0.99;   ///< per episode, in (0, 1]
  int warmup_episodes = 0;

  /// During the warm-up actions are uniform on [0, 1] instead.
  bool is_warmup(int episode) const { return episode < warmup_episodes; }
  double deviation(int episode) const;
  /// `action` with the noise of `episode`; a deviation too small to matter leaves it as it is.
  double apply(double action, int episode, base::Rng& rng) const;
};

}  // namespace bitsmith::search
