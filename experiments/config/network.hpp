#pragma once

#include "experiments/config/config.hpp"

namespace bitsmith::experiments {

/// The network of a configuration for images and classes. Throws UserError where it cannot have them.
quant::NetworkInfo build_network(const NetworkOptions& options, quant::Shape input, int classes);

}  // namespace bitsmith::experiments
