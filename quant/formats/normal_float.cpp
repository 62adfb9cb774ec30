#include "quant/formats/normal_float.hpp"

#include "quant/formats/kmeans.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::array<float, 16> kNumbers{
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
constexpr int kZero = 7;

}  // namespace

std::span<const float, 16> normal_float4() { return kNumbers; }

void encode_normal_float(const Values& x, Encoded& to) {
  const std::vector<double> numbers(kNumbers.begin(), kNumbers.end());
  const Slices blocks = scale_slices(to);
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    const std::vector<double> block = x.slice(blocks, b);
    const double scale = max_magnitude(block);
    to.scales[static_cast<std::size_t>(b)] = static_cast<float>(scale);
    blocks.visit(b, [&](std::int64_t i, std::int64_t at) {
      to.codes[static_cast<std::size_t>(i)] =
          scale == 0 ? kZero
                     : static_cast<std::int32_t>(
                           nearest_centroid(numbers, x.quotient(block[static_cast<std::size_t>(at)], scale)));
    });
  }
}

void decode_normal_float(const Encoded& from, std::span<float> y) {
  const Slices blocks = scale_slices(from);
  for (std::int64_t b = 0; b < blocks.size(); ++b)
    blocks.visit(b, [&](std::int64_t i, std::int64_t) {
      const std::int32_t code = from.codes[static_cast<std::size_t>(i)];
      y[static_cast<std::size_t>(i)] =
          from.scales[static_cast<std::size_t>(b)] * kNumbers[static_cast<std::size_t>(code)];
    });
}

}  // namespace bitsmith::quant
