#pragma once

#include <string>
#include <vector>

#include "experiments/config/places.hpp"
#include "quant/base/yaml.hpp"
#include "quant/options.hpp"

namespace bitsmith::experiments {

/// One entry of `quantization.layers`: a layer's name, and a map of weight_method, activation_method,
/// weight_bits (bits or a format's name, as in policies) and activation_bits. Mistakes go to `places`.
quant::LayerOverride read_layer_override(const base::YamlEntry& entry, const std::string& path,
                                         Places& places);
base::YamlNode layer_overrides_yaml(const std::vector<quant::LayerOverride>& layers);

}  // namespace bitsmith::experiments
