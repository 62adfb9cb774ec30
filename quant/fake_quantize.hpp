#pragma once

#include <cstdint>

#include "quant/quantizer.hpp"

namespace bitsmith::quant {

// The fast forms of quantizer.hpp's reference, bit for bit the same on every instruction set. They take
// pointers and sizes, own nothing and throw nothing; the output may be the input. lo and hi are an
// IntegerRange's ends.

/// y[i] = scale * clamp(round(x[i] / scale), lo, hi); NaN gives 0.
void fake_quantize(const float* x, std::int64_t n, float scale, int lo, int hi, float* y);

/// Straight-through: dx[i] = dy[i] where the rounded integer of x[i] lies in [lo, hi], else 0 (also for NaN).
void fake_quantize_backward(const float* x, std::int64_t n, float scale, int lo, int hi, const float* dy,
                            float* dx);

/// The integers themselves; lo and hi must fit the type.
void quantize_u8(const float* x, std::int64_t n, float scale, int lo, int hi, std::uint8_t* q);
void quantize_s8(const float* x, std::int64_t n, float scale, int lo, int hi, std::int8_t* q);
void dequantize_u8(const std::uint8_t* q, std::int64_t n, float scale, float* y);
void dequantize_s8(const std::int8_t* q, std::int64_t n, float scale, float* y);

// Weights: `channels` rows of `per_channel` elements, row c at scales[c].
void fake_quantize_channels(const float* w, std::int64_t channels, std::int64_t per_channel,
                            const float* scales, int lo, int hi, float* y);
void fake_quantize_channels_backward(const float* w, std::int64_t channels, std::int64_t per_channel,
                                     const float* scales, int lo, int hi, const float* dy, float* dw);
void quantize_channels_s8(const float* w, std::int64_t channels, std::int64_t per_channel,
                          const float* scales, int lo, int hi, std::int8_t* q);

/// The largest |x[i]|, 0 for n = 0. NaN counts as infinity, so that one test of the result finds both.
float max_abs(const float* x, std::int64_t n);

/// The scale that values bring with them: their largest magnitude over range.high; 1 where all are zero, or
/// one is not finite.
float dynamic_scale(const float* x, std::int64_t n, IntegerRange range);

/// Smallest and largest element; {0, 0} for n = 0. NaN makes both NaN.
struct MinMax {
  float min = 0, max = 0;
};
MinMax min_max(const float* x, std::int64_t n);

/// Sum over i of weight[i] * (fake_quantize(x[i]) - x[i])^2, weights of 1 where `weight` is null. Summed in
/// 16 interleaved parts, so the result does not depend on the instruction set.
double quantization_error(const float* x, const float* weight, std::int64_t n, float scale, int lo, int hi);

}  // namespace bitsmith::quant
