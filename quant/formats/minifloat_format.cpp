#include "quant/formats/minifloat_format.hpp"

#include <cmath>

#include "quant/formats/minifloat.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {

void encode_scaled_minifloat(const Values& x, Encoded& to) {
  const Minifloat& element = minifloat_of(to.format);
  const Slices slices = scale_slices(to);
  std::size_t clipped = 0;
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    const double scale = to.options.scale_rule == ScaleRule::one
                             ? 1
                             : usable_scale(x.quotient(max_magnitude(part), element.largest));
    to.scales[static_cast<std::size_t>(s)] = static_cast<float>(scale);
    slices.visit(s, [&](std::int64_t i, std::int64_t at) {
      // By range the largest magnitude is the largest number, and only rounding of the quotient is beyond it.
      const auto [code, beyond] = encode_minifloat(x.quotient(part[static_cast<std::size_t>(at)], scale),
                                                   element, to.options.rounding, to.options.saturate);
      to.codes[static_cast<std::size_t>(i)] = code;
      clipped += beyond ? 1 : 0;
    });
  }
  to.clipped = static_cast<double>(clipped) / static_cast<double>(x.size());
}

void decode_scaled_minifloat(const Encoded& from, std::span<float> y) {
  const Minifloat& element = minifloat_of(from.format);
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s)
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      const float number = decode_minifloat(from.codes[static_cast<std::size_t>(i)], element);
      const double product = double{from.scales[static_cast<std::size_t>(s)]} * double{number};
      y[static_cast<std::size_t>(i)] = std::isfinite(number) ? finite_float(product) : number;
    });
}

}  // namespace bitsmith::quant
