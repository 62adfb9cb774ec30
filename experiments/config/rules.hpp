#pragma once

#include "experiments/config/config.hpp"
#include "experiments/config/places.hpp"

namespace bitsmith::experiments {

/// The rules that concern several keys at once; each message says how to repair. A rule is left out when one
/// of its keys is already known to be wrong.
void check_rules(const Config& config, Places& places);

}  // namespace bitsmith::experiments
