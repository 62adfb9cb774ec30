#pragma once

#include "trainer/batch_source.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/network.hpp"

namespace bitsmith::experiments {

/// A deployed network beside its simulation, image by image.
struct Agreement {
  double accuracy = 0;   ///< of the deployed network, 0..1
  double agreement = 0;  ///< share of the images that both put into the same class
  std::int64_t images = 0;
};
Agreement compare_deployed(trainer::Network& simulated, trainer::IntegerNetwork& deployed,
                           trainer::BatchSource& images);

}  // namespace bitsmith::experiments
