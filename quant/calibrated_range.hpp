#pragma once

#include <span>
#include <string_view>

#include "quant/affine.hpp"
#include "quant/calibration_methods.hpp"

namespace bitsmith::quant {

/// The integers that a range is for: 2..16 bits signed and narrow, 1..16 bits unsigned; with a zero point
/// signed ones go down to -2^(bits-1), from 1 bit on.
struct Integers {
  int bits = 8;
  bool is_signed = true;
  bool affine = false;
};
IntegerRange range_of(Integers integers);

/// The range of values, one slice of a tensor, that the integers should cover: {-t, t} for symmetric signed
/// ones, {0, t} for symmetric unsigned ones, which do not look at negative values, {low, high} around zero
/// with a zero point. {0, 0} where all is zero; a single value keeps its magnitude.
///
///   minmax, ema   the values' own range (an average over one batch is that batch)
///   percentile    the exact quantile of magnitudes, linearly interpolated; with a zero point that of values
///   at
///                 both ends, each end losing 100 - percentile; where that is zero, the values' own range.
///                 (ActivationObserver has NVIDIA's form on a histogram; it does not keep the values.)
///   mse, mse_fine best_threshold of the exact squared error; with a zero point both ends shrink together
///   kl, kl_haq    kl_threshold on method.bins bins, kl_haq_threshold on haq_bins bins of the magnitudes
///   octav         octav_threshold of the magnitudes
///
/// Throws UserError that names `name` on NaN, infinity and methods that know no zero point.
ValueRange calibrated_range(std::span<const float> x, Integers integers, const CalibrationMethod& method,
                            std::string_view name = "values");

/// Throws UserError that names `name` and what is allowed unless `kind` can set a range with a zero point.
void require_zero_point(Calibration kind, std::string_view name);

/// mse for 2^bits integers around a middle that is no level's edge: -2^(bits-1) .. 2^(bits-1)-1 at the scale
/// threshold / (2^(bits-1) - 1/2), as full symmetric ranges and unsigned ones with a zero point in the middle
/// have it. 0 where all is zero.
float full_range_threshold(std::span<const float> x, int bits, bool fine, std::string_view name);

inline bool is_mse(Calibration kind) { return kind == Calibration::mse || kind == Calibration::mse_fine; }

/// mse with a zero point: the share of `whole`, both ends alike, at which x, weighted (no weights: all 1),
/// errs least.
ValueRange shrunk_by_error(ValueRange whole, IntegerRange integers, bool fine, std::span<const float> x,
                           std::span<const float> weights);

}  // namespace bitsmith::quant
