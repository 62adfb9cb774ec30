#include "quant/quantizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "quant/base/error.hpp"

namespace bitsmith::quant {
namespace {

const std::array<QuantizerRow, 4> kRows{{
    {"weight_channel", true, true, 2, 8, Granularity::channel,
     "symmetric weights, a scale for each output channel"},
    {"weight_tensor", true, true, 2, 8, Granularity::tensor, "symmetric weights, one scale for the layer"},
    {"activation_unsigned", false, false, 1, 8, Granularity::tensor,
     "activations that cannot be negative, one scale"},
    {"activation_signed", false, true, 2, 8, Granularity::tensor,
     "symmetric activations of either sign, one scale"},
}};

std::size_t part_size(std::size_t elements, std::size_t scales) {
  base::require(scales > 0 && elements % scales == 0, "scales must divide a tensor into equal parts");
  return elements / scales;
}

}  // namespace

IntegerRange integer_range(int bits, bool is_signed) {
  base::require(bits >= (is_signed ? 2 : 1) && bits <= 8, "bits of a quantizer: 2..8 signed, 1..8 unsigned");
  if (is_signed) return {-((1 << (bits - 1)) - 1), (1 << (bits - 1)) - 1};
  return {0, (1 << bits) - 1};
}

float scale_of_threshold(float threshold, IntegerRange range) {
  base::require(std::isfinite(threshold) && threshold >= 0, "a threshold is finite and not negative");
  if (threshold == 0) return 1;
  return std::max(threshold / static_cast<float>(range.high), std::numeric_limits<float>::min());
}

int quantize_one(float x, float scale, IntegerRange range) {
  const float steps = std::nearbyint(x / scale);
  if (std::isnan(steps)) return 0;
  return static_cast<int>(std::clamp(steps, static_cast<float>(range.low), static_cast<float>(range.high)));
}

bool gradient_passes(float x, float scale, IntegerRange range) {
  const float steps = std::nearbyint(x / scale);
  return steps >= static_cast<float>(range.low) && steps <= static_cast<float>(range.high);
}

std::span<const QuantizerRow> quantizer_rows() { return kRows; }

const QuantizerRow& weight_quantizer(Granularity granularity) {
  return kRows[granularity == Granularity::channel ? 0 : 1];
}

const QuantizerRow& activation_quantizer(bool is_signed) { return kRows[is_signed ? 3 : 2]; }

std::vector<int> reference_quantize(std::span<const float> x, std::span<const float> scales,
                                    IntegerRange range) {
  const std::size_t part = part_size(x.size(), scales.size());
  std::vector<int> q(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) q[i] = quantize_one(x[i], scales[i / part], range);
  return q;
}

std::vector<float> reference_dequantize(std::span<const int> q, std::span<const float> scales) {
  const std::size_t part = part_size(q.size(), scales.size());
  std::vector<float> y(q.size());
  for (std::size_t i = 0; i < q.size(); ++i) y[i] = dequantize_one(q[i], scales[i / part]);
  return y;
}

std::vector<float> reference_fake_quantize(std::span<const float> x, std::span<const float> scales,
                                           IntegerRange range) {
  return reference_dequantize(reference_quantize(x, scales, range), scales);
}

}  // namespace bitsmith::quant
