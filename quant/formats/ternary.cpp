#include "quant/formats/ternary.hpp"

#include <algorithm>
#include <cmath>

#include "quant/formats/exponent.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr double kTwnShare =
    0.7;  // of the mean magnitude; optimal for uniform and near it for normal weights
constexpr double kTtqShare = 0.05;  // of the largest magnitude
constexpr double kBitnetLeastScale = 1e-5;

struct Mean {
  double sum = 0;
  std::size_t count = 0;

  void add(double v) {
    sum += v;
    ++count;
  }
  double value_or(double none) const { return count == 0 ? none : sum / static_cast<double>(count); }
};

int sign_beyond(double x, double threshold) { return std::abs(x) <= threshold ? 0 : x > 0 ? 1 : -1; }

std::vector<int> twn(std::span<const double> x, float& scale) {
  const double threshold = kTwnShare * mean_magnitude(x);
  std::vector<int> codes;
  Mean kept;
  for (double v : x) {
    codes.push_back(sign_beyond(v, threshold));
    if (codes.back() != 0) kept.add(std::abs(v));
  }
  scale = static_cast<float>(kept.value_or(1));
  return codes;
}

std::vector<int> ttq(std::span<const double> x, float& positive, float& negative) {
  const double threshold = kTtqShare * max_magnitude(x);
  std::vector<int> codes;
  Mean above, below;
  for (double v : x) {
    codes.push_back(sign_beyond(v, threshold));
    if (codes.back() > 0) above.add(v);
    if (codes.back() < 0) below.add(-v);
  }
  positive = static_cast<float>(above.value_or(0));
  negative = static_cast<float>(below.value_or(0));
  return codes;
}

std::vector<int> bitnet(const Values& values, std::span<const double> x, Rounding rounding, float& scale) {
  const double mean = values.rounded(std::max(mean_magnitude(x), kBitnetLeastScale));
  scale = static_cast<float>(mean);
  std::vector<int> codes;
  for (double v : x)
    codes.push_back(static_cast<int>(std::clamp(round_half(values.quotient(v, mean), rounding), -1.0, 1.0)));
  return codes;
}

}  // namespace

void encode_ternary(const Values& x, Encoded& to) {
  const Slices slices = scale_slices(to);
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::size_t at = static_cast<std::size_t>(s);
    const std::vector<double> part = x.slice(slices, s);
    const std::vector<int> codes = to.format == kTtq ? ttq(part, to.codebook[2 * at], to.codebook[2 * at + 1])
                                   : to.format == kBitnet
                                       ? bitnet(x, part, to.options.rounding, to.scales[at])
                                       : twn(part, to.scales[at]);
    slices.scatter(s, codes.data(), to.codes.data());
  }
}

void decode_ternary(const Encoded& from, std::span<float> y) {
  const bool two_magnitudes = from.format == kTtq;
  const Slices slices = scale_slices(from);
  for (std::int64_t s = 0; s < slices.size(); ++s) {
    const std::size_t at = static_cast<std::size_t>(s);
    const float positive = two_magnitudes ? from.codebook[2 * at] : from.scales[at];
    const float negative = two_magnitudes ? from.codebook[2 * at + 1] : from.scales[at];
    slices.visit(s, [&](std::int64_t i, std::int64_t) {
      const int code = from.codes[static_cast<std::size_t>(i)];
      y[static_cast<std::size_t>(i)] = code > 0 ? positive : code < 0 ? -negative : 0;
    });
  }
}

}  // namespace bitsmith::quant
