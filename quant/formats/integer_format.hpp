#pragma once

#include <span>

#include "quant/affine.hpp"
#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// int2..int16, uint1..uint16: q = clamp(round(x / s) + z, low, high), y = s * (q - z), one s (and z) for
/// each slice (Jacob et al. 2018, arXiv:1712.05877, equation 1). Rounded first, then the zero point is added;
/// clamped as floating point. With max, min over the slice, widened to contain 0:
///   int, symmetric (default)  low = -(2^(b-1)-1) = -high, s = max|x| / high, z = 0
///   int, full_range           low = -2^(b-1), high = 2^(b-1)-1, s = max|x| / ((high - low) / 2), z = 0
///   int, affine               low, high likewise, s = (max - min) / (high - low),
///                             z = clamp(low - round_even(min / s), low, high)
///   uint (default)            the same with low = 0, high = 2^b-1
///   uint, symmetric_unsigned  s = max|x| / ((high - low) / 2), z = 2^(b-1)
/// as torch/ao/quantization/observer.py does, but for its least scale of 1.2e-7: ours is the least normal
/// float. A range of zeros has s = 1; ScaleRule::one has s = 1, z = 0. Under another calibration than minmax
/// the range is calibrated_range's.
void encode_integer(const Values& x, Encoded& to);
void decode_integer(const Encoded& from, std::span<float> y);

// Its parts, for whoever encodes in another order.

/// What format and options say of all slices.
struct IntegerRules {
  explicit IntegerRules(const Encoded& to);

  IntegerRange integers;
  bool affine, scaled;
  int symmetric_zero_point;
  double symmetric_steps;  ///< from 0 to the largest magnitude
};

/// What is not clipped: min <= 0 <= max, in double as tensors may be.
struct IntegerFormatRange {
  double min = 0, max = 0;
};
struct IntegerGrid {
  double scale = 1;
  int zero_point = 0;
};
/// Rounded to the precision of `x`, which is not otherwise looked at.
IntegerGrid integer_grid(IntegerFormatRange range, const Values& x, const IntegerRules& rules);

/// The range of a slice under the options' calibration.
ValueRange calibrated_slice(std::span<const float> part, const Encoded& to);

}  // namespace bitsmith::quant
