#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quant/affine.hpp"

namespace bitsmith::quant {

// Ranges found as the numbers come, with no calibration before. All throw UserError that names `name` on NaN
// or infinity.

/// One scale and zero point for a batch at 8 unsigned bits: its smallest and largest value, widened to zero.
AffineParameters dynamic_u8(std::span<const float> batch, std::string_view name = "activations");

/// One scale for each of the `tokens` equal rows at 8 signed symmetric bits: max |row| / 127, 1 for a row of
/// zeros.
std::vector<float> dynamic_s8_per_token(std::span<const float> rows, std::int64_t tokens,
                                        std::string_view name = "activations");

}  // namespace bitsmith::quant
