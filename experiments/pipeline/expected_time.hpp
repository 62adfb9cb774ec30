#pragma once

#include "experiments/config/config.hpp"
#include "trainer/data/data.hpp"

namespace bitsmith::experiments {

/// What a run will take here, by its parts, in seconds. Measuring prices is left out: it is seconds to
/// minutes.
struct ExpectedTime {
  double train = 0, search = 0, finetune = 0;
  double total() const { return train + search + finetune; }
};

/// From the speed of the configuration's own network, on a few random images of its size: two seconds or so.
/// Throws UserError for a network that cannot be built or does not take the data.
ExpectedTime expected_time(const Config& config, const trainer::Data& data);

}  // namespace bitsmith::experiments
