#include "quant/formats/integer_format.hpp"

#include <algorithm>
#include <cmath>

#include "quant/calibrated_range.hpp"
#include "quant/formats/exponent.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

bool is_affine(const Encoded& to) { return !to.zero_points.empty() && !to.options.symmetric_unsigned; }

// In double for minmax; the other rules look at floats.
IntegerFormatRange slice_range(std::span<const double> part, const Encoded& to) {
  const auto [min, max] = std::minmax_element(part.begin(), part.end());
  if (to.options.calibration == Calibration::minmax) return {std::min(*min, 0.0), std::max(*max, 0.0)};
  const std::vector<float> values(part.begin(), part.end());
  const ValueRange range = calibrated_slice(values, to);
  return {double{range.low}, double{range.high}};
}

}  // namespace

IntegerRules::IntegerRules(const Encoded& to)
    : affine(is_affine(to)), scaled(to.options.scale_rule != ScaleRule::one) {
  const int half = 1 << (to.format.element_bits() - 1);
  const bool is_signed = to.format.row().is_signed;
  const bool narrow = is_signed && !affine && !to.options.full_range;
  integers = is_signed ? IntegerRange{narrow ? 1 - half : -half, half - 1} : IntegerRange{0, 2 * half - 1};
  symmetric_zero_point = is_signed ? 0 : half;
  symmetric_steps = narrow ? integers.high : (integers.high - integers.low) / 2.0;
}

ValueRange calibrated_slice(std::span<const float> part, const Encoded& to) {
  // An unsigned format with its zero point in the middle looks at values of both signs.
  const bool is_signed = to.format.row().is_signed || to.options.symmetric_unsigned;
  const int bits = to.format.element_bits();
  const Calibration method = to.options.calibration;
  if (is_mse(method) && (to.options.full_range || to.options.symmetric_unsigned)) {
    const float threshold =
        full_range_threshold(part, bits, method == Calibration::mse_fine, to.format.name());
    return {-threshold, threshold};
  }
  return calibrated_range(part, {is_affine(to) ? bits : std::max(bits, 2), is_signed, is_affine(to)},
                          {to.options.calibration, to.options.percentile, to.options.bins}, to.format.name());
}

IntegerGrid integer_grid(IntegerFormatRange range, const Values& x, const IntegerRules& rules) {
  if (!rules.scaled) return {};
  if (!rules.affine) {
    const double scale = x.quotient(std::max(-range.min, range.max), rules.symmetric_steps);
    return {usable_scale(scale), rules.symmetric_zero_point};
  }
  // Rounded like torch's, unless that difference is beyond float32.
  const IntegerRange integers = rules.integers;
  const double rounded = x.rounded(range.max - range.min);
  const double width = std::isfinite(rounded) ? rounded : range.max - range.min;
  const double scale = usable_scale(x.quotient(width, integers.high - integers.low));
  const double zero = integers.low - std::nearbyint(x.quotient(range.min, scale));
  return {scale, static_cast<int>(std::clamp<double>(zero, integers.low, integers.high))};
}

void encode_integer(const Values& x, Encoded& to) {
  const IntegerRules rules(to);
  const IntegerRange integers = rules.integers;
  const Slices slices = scale_slices(to);
  std::size_t clipped = 0;
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    const IntegerGrid grid = integer_grid(slice_range(part, to), x, rules);
    to.scales[static_cast<std::size_t>(s)] = static_cast<float>(grid.scale);
    if (!to.zero_points.empty()) to.zero_points[static_cast<std::size_t>(s)] = grid.zero_point;
    slices.visit(s, [&](std::int64_t i, std::int64_t at) {
      const double steps = x.quotient(part[static_cast<std::size_t>(at)], grid.scale);
      const double code = round_half(steps, to.options.rounding) + grid.zero_point;
      to.codes[static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(std::clamp<double>(code, integers.low, integers.high));
      clipped += code < integers.low || code > integers.high ? 1 : 0;
    });
  }
  to.clipped = static_cast<double>(clipped) / static_cast<double>(x.size());
}

void decode_integer(const Encoded& from, std::span<float> y) {
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const double scale = from.scales[static_cast<std::size_t>(s)];
    const int zero = from.zero_points.empty() ? 0 : from.zero_points[static_cast<std::size_t>(s)];
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      y[static_cast<std::size_t>(i)] = finite_float(scale * (from.codes[static_cast<std::size_t>(i)] - zero));
    });
  }
}

}  // namespace bitsmith::quant
