#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// fp8_e4m3, fp8_e5m2, fp6_e3m2, fp6_e2m3, fp4_e2m1: code = minifloat(x / s), y = s * number(code), s one
/// fp32 number for each slice, max |x| / largest number, so that the largest magnitude gets the largest code;
/// of finite elements only; 1 for zeros, and under ScaleRule::one. Codes are bit patterns. Throws UserError
/// for NaN where the format has none.
void encode_scaled_minifloat(const Values& x, Encoded& to);
void decode_scaled_minifloat(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
