#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// mx9, mx6, mx4 (Rouhani et al. 2023, "With Shared Microexponents, A Little Shifting Goes a Long Way",
/// arXiv:2302.08007): blocks of 16 elements along the axis share an exponent of 8 bits, every two of them one
/// bit more, and each has a sign and m = 7, 4, 2 bits:
///   E = clamp(floor(log2 max |x|), -127, 127) over the block, stored as E + 127; -127 for a block of zeros;
///   shift = min(E - floor(log2 max |x| of the pair), 1), 1 for a pair of zeros;
///   ulp = 2^(E - shift - (m - 1)), q = clamp(round(x / ulp), -(2^m - 1), 2^m - 1), y = q ulp.
/// A shifted pair may round to 2^m, which its field cannot hold; it is clamped like the others.
void encode_micro_exponent(const Values& x, Encoded& to);
void decode_micro_exponent(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
