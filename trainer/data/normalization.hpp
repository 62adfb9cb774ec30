#pragma once

#include <vector>

#include "trainer/data/dataset.hpp"

namespace bitsmith::trainer {

/// A pixel x (bytes scaled to 0..1, floats as they are) becomes (x - mean) / deviation of its channel.
struct Normalization {
  std::vector<double> mean, deviation;  ///< one per channel; deviations are > 0
};

/// Measured on `dataset` where an option is empty. A channel that never varies gets deviation 1. Throws
/// UserError for options that are not one finite number per channel, or deviations that are not positive.
Normalization make_normalization(const Dataset& dataset, const std::vector<double>& mean,
                                 const std::vector<double>& deviation);

}  // namespace bitsmith::trainer
