#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/options.hpp"
#include "trainer/parameters.hpp"

namespace bitsmith::trainer {

/// All that an optimiser remembers; one vector per parameter in each list, empty until the first step.
struct OptimizerState {
  std::int64_t steps = 0;
  std::vector<std::vector<float>> first;   ///< sgd: momentum buffers; adam: first moments
  std::vector<std::vector<float>> second;  ///< adam: second moments
};

/// Changes parameters along their gradients. The same optimiser always sees the same parameters.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual void step(std::vector<Parameter>& parameters, double learning_rate) = 0;

  const OptimizerState& state() const { return state_; }
  void restore(OptimizerState state) { state_ = std::move(state); }

 protected:
  /// Gives each list one vector per parameter, zeros; throws UserError if a restored state does not fit them.
  void fit(const std::vector<Parameter>& parameters, bool second_moments);

  OptimizerState state_;
};

/// PyTorch's SGD: g += decay*w; buffer = g at first, then momentum*buffer + g; the step is along the buffer,
/// or g + momentum*buffer with Nesterov. PyTorch's Adam (decay added to the gradient), epsilon 1e-8. Throws
/// UserError for rates, momenta or betas that are out of range.
std::unique_ptr<Optimizer> make_optimizer(const TrainOptions& options);

}  // namespace bitsmith::trainer
