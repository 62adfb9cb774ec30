#include "quant/formats/micro_exponent.hpp"

#include <algorithm>
#include <cmath>

#include "quant/formats/exponent.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kScaleBias = 127;

int magnitude_bits(const Encoded& encoded) { return encoded.format.element_bits() - 1; }

int shared_exponent(std::span<const double> x) {
  const double largest = max_magnitude(x);
  return largest == 0 ? -kScaleBias : std::clamp(floor_log2(largest), -kScaleBias, kScaleBias);
}

int shift_of(std::span<const double> pair, int block_exponent) {
  const double largest = max_magnitude(pair);
  return largest == 0 || floor_log2(largest) < block_exponent ? 1 : 0;
}

// A pair lies in one block; any of its elements names it.
std::int64_t first_element(const Slices& pairs, std::int64_t pair) {
  std::int64_t first = 0;
  pairs.visit(pair, [&](std::int64_t i, std::int64_t at) {
    if (at == 0) first = i;
  });
  return first;
}

}  // namespace

void encode_micro_exponent(const Values& x, Encoded& to) {
  const int bits = magnitude_bits(to);
  const double largest = (1 << bits) - 1;
  const Slices blocks = block_slices(to), pairs = pair_slices(to);
  const std::vector<std::int64_t> block_of = slice_of_elements(blocks);
  for (std::int64_t b = 0; b < blocks.size(); ++b)
    to.block_scales[static_cast<std::size_t>(b)] = shared_exponent(x.slice(blocks, b)) + kScaleBias;

  std::size_t clipped = 0;
  for (std::int64_t p = 0; p < pairs.size(); ++p) {
    const std::vector<double> pair = x.slice(pairs, p);
    const std::int64_t block = block_of[static_cast<std::size_t>(first_element(pairs, p))];
    const int exponent = to.block_scales[static_cast<std::size_t>(block)] - kScaleBias;
    const int shift = shift_of(pair, exponent);
    to.pair_shifts[static_cast<std::size_t>(p)] = shift;
    pairs.visit(p, [&](std::int64_t i, std::int64_t at) {
      const double ulps = std::ldexp(pair[static_cast<std::size_t>(at)], bits - 1 + shift - exponent);
      const double code = round_half(ulps, to.options.rounding);
      to.codes[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(std::clamp(code, -largest, largest));
      clipped += std::abs(code) > largest ? 1 : 0;
    });
  }
  to.clipped = static_cast<double>(clipped) / static_cast<double>(x.size());
}

void decode_micro_exponent(const Encoded& from, std::span<float> y) {
  const int bits = magnitude_bits(from);
  const Slices blocks = block_slices(from), pairs = pair_slices(from);
  const std::vector<std::int64_t> block_of = slice_of_elements(blocks);
  for (std::int64_t p = 0; p < pairs.size(); ++p)
    pairs.visit(p, [&](std::int64_t i, std::int64_t) {
      const std::size_t at = static_cast<std::size_t>(i);
      const int exponent = from.block_scales[static_cast<std::size_t>(block_of[at])] - kScaleBias;
      const int ulp = exponent - from.pair_shifts[static_cast<std::size_t>(p)] - (bits - 1);
      y[at] = static_cast<float>(std::ldexp(from.codes[at], ulp));
    });
}

}  // namespace bitsmith::quant
