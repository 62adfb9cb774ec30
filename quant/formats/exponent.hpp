#pragma once

#include <cmath>

#include "quant/formats/encoding_options.hpp"

namespace bitsmith::quant {

/// floor(log2 |x|), exactly, from the bits of x: log2 itself rounds up just below powers of two. `x` is
/// finite and not 0; subnormals included.
inline int floor_log2(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return exponent - 1;
}

/// 2^exponent, exactly; any exponent that double holds.
inline double exp2_int(int exponent) { return std::ldexp(1.0, exponent); }

inline double round_half(double x, Rounding rounding) {
  return rounding == Rounding::even ? std::nearbyint(x) : std::round(x);
}

}  // namespace bitsmith::quant
