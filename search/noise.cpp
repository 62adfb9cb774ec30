#include "search/noise.hpp"

#include <algorithm>
#include <cmath>

namespace bitsmith::search {

double ExplorationNoise::deviation(int episode) const {
  return initial * std::pow(decay, std::max(episode - warmup_episodes, 0));
}

double ExplorationNoise::apply(double action, int episode, base::Rng& rng) const {
  constexpr double kNegligible = 1e-6;  // far below the width of any bin
  if (is_warmup(episode)) return rng.uniform();
  const double sigma = deviation(episode);
  if (sigma < kNegligible) return std::clamp(action, 0.0, 1.0);
  return rng.truncated_normal(action, sigma, 0.0, 1.0);
}

}  // namespace bitsmith::search
