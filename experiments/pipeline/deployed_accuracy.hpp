#pragma once

#include <cstdint>

#include "trainer/batch_source.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/network.hpp"

namespace bitsmith::experiments {

/// What the integer network makes of images.
struct DeployedAccuracy {
  double accuracy = 0;
  double agreement = 0;  ///< share of images to which the simulation gives the same class
  std::int64_t images = 0;
};

/// One pass over the images, through both.
DeployedAccuracy test_deployed(trainer::Network& simulated, trainer::IntegerNetwork& deployed,
                               trainer::BatchSource& images);

}  // namespace bitsmith::experiments
