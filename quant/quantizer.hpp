#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quant/options.hpp"

namespace bitsmith::quant {

/// The integers of a uniform symmetric quantizer (zero point 0). Signed ranges are narrow: -(2^(b-1)-1) ..
/// 2^(b-1)-1, so that a weight and its negation are equally far from the edge; unsigned ranges are 0 ..
/// 2^b-1.
struct IntegerRange {
  int low = 0, high = 0;
  int levels() const { return high - low + 1; }
  bool operator==(const IntegerRange&) const = default;
};

/// 2..8 bits signed, 1..8 bits unsigned (1 signed bit would be zero alone); InternalError otherwise.
IntegerRange integer_range(int bits, bool is_signed);

/// The step between two levels when `threshold` (>= 0, the largest magnitude that is not clipped) maps to
/// range.high. A zero threshold gives 1, so that zeros come back as zeros; the result is always finite and
/// normal.
float scale_of_threshold(float threshold, IntegerRange range);

// The plain reference, one element: the oracle of every fast kernel.

/// clamp(round(x / scale)), ties to even, clamped before the conversion to integer; NaN gives 0, the zero
/// point.
int quantize_one(float x, float scale, IntegerRange range);
inline float dequantize_one(int q, float scale) { return static_cast<float>(q) * scale; }
inline float fake_quantize_one(float x, float scale, IntegerRange range) {
  return dequantize_one(quantize_one(x, scale, range), scale);
}
/// Whether the straight-through gradient passes: the *rounded* integer lies in the range, so that the element
/// that sets the threshold, exactly on the edge, keeps its gradient. False for NaN.
bool gradient_passes(float x, float scale, IntegerRange range);

/// One kind of quantizer. Scales are per tensor (one) or per channel (one for each index of the outermost
/// dimension).
struct QuantizerRow {
  std::string_view name;
  bool weights;  ///< quantizes weights, else activations
  bool is_signed;
  int min_bits, max_bits;
  Granularity granularity;
  std::string_view what;  ///< one line for people

  bool serves(int bits) const { return bits >= min_bits && bits <= max_bits; }
};
std::span<const QuantizerRow> quantizer_rows();

/// The row for weights of this granularity, or for activations of this signedness.
const QuantizerRow& weight_quantizer(Granularity granularity);
const QuantizerRow& activation_quantizer(bool is_signed);

/// Whole tensors through the reference. `scales` holds one scale, or one for each of scales.size() equal
/// consecutive parts of `x` (channels). InternalError when the sizes do not divide.
std::vector<int> reference_quantize(std::span<const float> x, std::span<const float> scales,
                                    IntegerRange range);
std::vector<float> reference_dequantize(std::span<const int> q, std::span<const float> scales);
std::vector<float> reference_fake_quantize(std::span<const float> x, std::span<const float> scales,
                                           IntegerRange range);

}  // namespace bitsmith::quant
