#include "quant/fake_quantize.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/fake_quantize_kernels.hpp"

namespace bitsmith::quant {
namespace {

const FakeQuantizeKernels& kernels() {
  static const FakeQuantizeKernels& chosen =
      pick_isa(base::selected_isa(), scalar::fake_quantize_kernels, avx2::fake_quantize_kernels,
               avx512::fake_quantize_kernels);
  return chosen;
}

float real(int value) { return static_cast<float>(value); }

}  // namespace

void fake_quantize(const float* x, std::int64_t n, float scale, int lo, int hi, float* y) {
  kernels().fake_quantize(x, n, scale, real(lo), real(hi), y);
}

void fake_quantize_backward(const float* x, std::int64_t n, float scale, int lo, int hi, const float* dy,
                            float* dx) {
  kernels().backward(x, n, scale, real(lo), real(hi), dy, dx);
}

void quantize_u8(const float* x, std::int64_t n, float scale, int lo, int hi, std::uint8_t* q) {
  kernels().quantize_u8(x, n, scale, real(lo), real(hi), q);
}

void quantize_s8(const float* x, std::int64_t n, float scale, int lo, int hi, std::int8_t* q) {
  kernels().quantize_s8(x, n, scale, real(lo), real(hi), q);
}

void dequantize_u8(const std::uint8_t* q, std::int64_t n, float scale, float* y) {
  kernels().dequantize_u8(q, n, scale, y);
}

void dequantize_s8(const std::int8_t* q, std::int64_t n, float scale, float* y) {
  kernels().dequantize_s8(q, n, scale, y);
}

void fake_quantize_channels(const float* w, std::int64_t channels, std::int64_t per_channel,
                            const float* scales, int lo, int hi, float* y) {
  for (std::int64_t c = 0; c < channels; ++c)
    fake_quantize(w + c * per_channel, per_channel, scales[c], lo, hi, y + c * per_channel);
}

void fake_quantize_channels_backward(const float* w, std::int64_t channels, std::int64_t per_channel,
                                     const float* scales, int lo, int hi, const float* dy, float* dw) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::int64_t at = c * per_channel;
    fake_quantize_backward(w + at, per_channel, scales[c], lo, hi, dy + at, dw + at);
  }
}

void quantize_channels_s8(const float* w, std::int64_t channels, std::int64_t per_channel,
                          const float* scales, int lo, int hi, std::int8_t* q) {
  for (std::int64_t c = 0; c < channels; ++c)
    quantize_s8(w + c * per_channel, per_channel, scales[c], lo, hi, q + c * per_channel);
}

MinMax min_max(const float* x, std::int64_t n) {
  MinMax result;
  if (n > 0) kernels().min_max(x, n, &result.min, &result.max);
  return result;
}

float max_abs(const float* x, std::int64_t n) {
  const MinMax range = min_max(x, n);
  if (std::isnan(range.min)) return std::numeric_limits<float>::infinity();
  return std::max(std::abs(range.min), std::abs(range.max));
}

float dynamic_scale(const float* x, std::int64_t n, IntegerRange range) {
  const float largest = max_abs(x, n);
  return std::isfinite(largest) ? scale_of_threshold(largest, range) : 1.0f;
}

double quantization_error(const float* x, const float* weight, std::int64_t n, float scale, int lo, int hi) {
  return kernels().error(x, weight, n, scale, real(lo), real(hi));
}

}  // namespace bitsmith::quant
