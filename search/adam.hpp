#pragma once

#include <span>
#include <vector>

namespace bitsmith::search {

/// Adam (Kingma and Ba 2015, algorithm 1; beta 0.9 and 0.999, epsilon 1e-8) on a flat array of parameters.
class Adam {
 public:
  Adam(std::size_t parameters, double learning_rate);

  /// One descent step along `gradient`; both of the size given at construction.
  void step(std::span<float> parameters, std::span<const float> gradient);

 private:
  double learning_rate_;
  long steps_ = 0;
  std::vector<float> first_, second_;  // moving averages of the gradient and of its square
};

/// target <- tau * source + (1 - tau) * target (Lillicrap et al. 2016).
void soft_update(std::span<float> target, std::span<const float> source, double tau);

}  // namespace bitsmith::search
