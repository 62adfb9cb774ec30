#pragma once

#include "experiments/config/config.hpp"

namespace bitsmith::experiments {

/// What a run will take here, by its parts, in seconds. Measuring prices is left out: it is seconds to
/// minutes.
struct ExpectedTime {
  double train = 0, search = 0, finetune = 0;
  double total() const { return train + search + finetune; }
};

/// From the speed of the configuration's own network, on a few random images of its size: two seconds or so.
/// Reads the training images. Throws UserError for what cannot be read or built, and for a
/// user's program as evaluator.
ExpectedTime expected_time(const Config& config);

}  // namespace bitsmith::experiments
