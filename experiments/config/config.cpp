#include "experiments/config/config.hpp"

#include <algorithm>

namespace bitsmith::experiments {

bool HardwareConfig::has_model(const std::string& name) const {
  return std::find(models.begin(), models.end(), name) != models.end();
}

trainer::TrainOptions default_finetune_options() {
  trainer::TrainOptions options;
  options.epochs = 3;
  options.learning_rate = 0.01;
  options.arithmetic.backward = trainer::BackwardArithmetic::bf16;
  return options;
}

}  // namespace bitsmith::experiments
