#include "quant/formats/integer_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/formats/exponent.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

struct Range {
  double min, max;  // min <= 0 <= max
};

struct Integers {
  int low, high;
};

struct Grid {
  double scale;
  int zero_point;
};

bool is_affine(const Encoded& to) { return !to.zero_points.empty() && !to.options.symmetric_unsigned; }

Integers integers_of(const Encoded& to) {
  const int bits = to.format.element_bits();
  if (!to.format.row().is_signed) return {0, (1 << bits) - 1};
  const int high = (1 << (bits - 1)) - 1;
  return {is_affine(to) || to.options.full_range ? -high - 1 : -high, high};
}

// What is not clipped of a slice. The one place where the calibration method is looked at.
Range slice_range(std::span<const double> part, const Encoded& to) {
  if (to.options.calibration != Calibration::minmax)
    throw base::UserError(fmt::format("{}: a tensor is encoded by its own range; allowed calibration: minmax",
                                      to.format.name()));
  const auto [min, max] = std::minmax_element(part.begin(), part.end());
  return {std::min(*min, 0.0), std::max(*max, 0.0)};
}

Grid grid_of(const Range& range, Integers integers, const Values& x, const Encoded& to) {
  const double steps = integers.high - integers.low;
  if (is_affine(to)) {
    // Rounded like torch's, unless that difference is beyond float32.
    const double rounded = x.rounded(range.max - range.min);
    const double width = std::isfinite(rounded) ? rounded : range.max - range.min;
    const double scale = usable_scale(x.quotient(width, steps));
    const double zero = integers.low - std::nearbyint(x.quotient(range.min, scale));
    return {scale, static_cast<int>(std::clamp<double>(zero, integers.low, integers.high))};
  }
  const bool narrow = to.format.row().is_signed && !to.options.full_range;
  const double scale = x.quotient(std::max(-range.min, range.max), narrow ? integers.high : steps / 2);
  return {usable_scale(scale), to.format.row().is_signed ? 0 : (integers.high + 1) / 2};
}

}  // namespace

void encode_integer(const Values& x, Encoded& to) {
  const Integers integers = integers_of(to);
  const Slices slices = scale_slices(to);
  std::size_t clipped = 0;
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    const Grid grid = to.options.scale_rule == ScaleRule::one
                          ? Grid{1, 0}
                          : grid_of(slice_range(part, to), integers, x, to);
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
