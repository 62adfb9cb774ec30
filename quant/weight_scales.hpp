#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "quant/calibration_methods.hpp"

namespace bitsmith::quant {

/// The scales of a layer's weights: one, or one for each of `channels` equal consecutive parts. An all-zero
/// channel has scale 1. Throws UserError (with `name`) on NaN or infinity. Any method but ema; kl looks at
/// all channels together, each relative to its largest weight, as a channel alone has too few weights for a
/// histogram, the others at each channel (calibrated_range).
std::vector<float> weight_scales(std::span<const float> weights, int channels, int bits,
                                 Granularity granularity, const CalibrationMethod& method,
                                 std::string_view name = "weights");

}  // namespace bitsmith::quant
