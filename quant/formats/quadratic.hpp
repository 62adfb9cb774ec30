#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// quadratic2..quadratic8: 0 and +-(i / imax)^2 max|x|, i = 1..imax = 2^(b-1)-1, one range for each slice:
/// steps grow in proportion to the root of the magnitude. The scale is max|x| / imax^2, so that levels are
/// whole multiples of it (49 at most for 4 bits: integer kernels can multiply them). Nearest level in value;
/// halfway between i^2 and (i + 1)^2 the even i, or the larger if halves are rounded away.
///
/// Code: sign << (b-1) | i; zero has no sign.
void encode_quadratic(const Values& x, Encoded& to);
void decode_quadratic(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
