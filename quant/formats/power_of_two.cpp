#include "quant/formats/power_of_two.hpp"

#include <algorithm>
#include <cmath>

#include "quant/formats/exponent.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kLargestExponent = 127;  // of a float

// 4/3 x would be rounded; from 3/2 of its own power of two on, x is nearer to the next.
int nearest_exponent(double x) {
  const int below = floor_log2(x);
  return std::abs(x) >= 1.5 * exp2_int(below) ? below + 1 : below;
}

}  // namespace

void encode_power_of_two(const Values& x, Encoded& to) {
  const int sign_bit = 1 << (to.format.element_bits() - 1);
  const int magnitudes = sign_bit - 1;
  const Slices slices = scale_slices(to);
  std::size_t clipped = 0;
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::vector<double> part = x.slice(slices, s);
    const double largest = max_magnitude(part);
    const int top = largest == 0 ? 0 : std::min(nearest_exponent(largest), kLargestExponent);
    to.scales[static_cast<std::size_t>(s)] = static_cast<float>(exp2_int(top));
    slices.visit(s, [&](std::int64_t i, std::int64_t at) {
      const double value = part[static_cast<std::size_t>(at)];
      int index = 0;
      if (std::abs(value) >= 0.5 * exp2_int(top - magnitudes + 1)) {
        const int exponent = nearest_exponent(value);
        clipped += exponent > top ? 1 : 0;
        index = std::clamp(exponent - (top - magnitudes), 1, magnitudes);
      }
      to.codes[static_cast<std::size_t>(i)] = index != 0 && value < 0 ? sign_bit | index : index;
    });
  }
  to.clipped = static_cast<double>(clipped) / static_cast<double>(x.size());
}

void decode_power_of_two(const Encoded& from, std::span<float> y) {
  const int sign_bit = 1 << (from.format.element_bits() - 1);
  const int magnitudes = sign_bit - 1;
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s)
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      const int code = from.codes[static_cast<std::size_t>(i)], index = code & (sign_bit - 1);
      const double level =
          index == 0 ? 0 : std::ldexp(from.scales[static_cast<std::size_t>(s)], index - magnitudes);
      y[static_cast<std::size_t>(i)] = finite_float((code & sign_bit) != 0 ? -level : level);
    });
}

}  // namespace bitsmith::quant
