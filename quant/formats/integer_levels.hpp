#pragma once

#include <cstdint>
#include <optional>

#include "quant/formats/format.hpp"

namespace bitsmith::quant {

// Formats whose levels are whole multiples, at most 127, of one step under their scale: what int8 kernels can
// multiply exactly. For each of their codes
//     decoded number = scale * integer_step(format) * integer_level(format, code),
// scale being the element's: of its slice, of its block (2^e, S s, s_q gamma), or 2^(E - shift) of its pair.

/// The largest integer_level, e.g. 12 for fp4_e2m1 (0, 1, 2, 3, 4, 6, 8, 12); nothing for formats without
/// such levels: ttq has two magnitudes, unsigned integers have zero points, the levels of others are too many
/// or arbitrary. Of `int*` it is that of narrow ranges; -128 of wide 8-bit ones is a level too, zero points
/// none.
std::optional<int> largest_integer_level(Format format);

/// Both throw InternalError for formats without integer levels; the code must be one of the format's.
float integer_step(Format format);
std::int8_t integer_level(Format format, int code);

}  // namespace bitsmith::quant
