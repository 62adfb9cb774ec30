#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// mxfp8_e4m3, mxfp8_e5m2, mxfp6_e3m2, mxfp6_e2m3, mxfp4, mxint8 (OCP Microscaling Formats 1.0, section 6.3):
/// blocks of 32 elements along the axis, the last one perhaps shorter, each with one scale 2^e, stored as the
/// byte e + 127 (E8M0):
///   e = clamp(floor(log2 max |x|) - emax, -127, 127), emax the exponent of the element's largest number;
///   P = minifloat(x / 2^e), saturating; mxint8: clamp(round(64 x / 2^e), -127, 127), 64ths, emax 0; y = 2^e
///   P.
/// A block of zeros has e = -127. A block with NaN or infinity has byte 255 and decodes to NaN. Values
/// between the largest number and 2^(emax + 1) are clipped to it, as the scale is rounded down. Halves go to
/// even, as OCP's conversion says; microxcaling's default is Rounding::away.
void encode_mx(const Values& x, Encoded& to);
void decode_mx(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
