#include "quant/formats/quadratic.hpp"

#include <algorithm>
#include <cmath>

#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

// The i whose square is nearest to x >= 0, before clamping to the format's largest.
int nearest_root(double x, Rounding rounding) {
  int i = static_cast<int>(std::sqrt(x));
  if (static_cast<double>(i) * i > x) --i;  // the root was rounded up
  const double halfway = static_cast<double>(i) * i + i + 0.5;
  if (x > halfway) return i + 1;
  if (x < halfway) return i;
  return rounding == Rounding::away || i % 2 != 0 ? i + 1 : i;
}

}  // namespace

void encode_quadratic(const Values& x, Encoded& to) {
  const int sign_bit = 1 << (to.format.element_bits() - 1);
  const int largest = sign_bit - 1;
  const Slices slices = scale_slices(to);
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    const double scale =
        usable_scale(x.quotient(max_magnitude(part), static_cast<double>(largest) * largest));
    to.scales[static_cast<std::size_t>(s)] = static_cast<float>(scale);
    slices.visit(s, [&](std::int64_t i, std::int64_t at) {
      const double steps = x.quotient(part[static_cast<std::size_t>(at)], scale);
      const int root = std::min(nearest_root(std::abs(steps), to.options.rounding), largest);
      to.codes[static_cast<std::size_t>(i)] = root != 0 && steps < 0 ? sign_bit | root : root;
    });
  }
}

void decode_quadratic(const Encoded& from, std::span<float> y) {
  const int sign_bit = 1 << (from.format.element_bits() - 1);
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s)
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      const int code = from.codes[static_cast<std::size_t>(i)], root = code & (sign_bit - 1);
      const double level = double{from.scales[static_cast<std::size_t>(s)]} * root * root;
      y[static_cast<std::size_t>(i)] = finite_float((code & sign_bit) != 0 ? -level : level);
    });
}

}  // namespace bitsmith::quant
