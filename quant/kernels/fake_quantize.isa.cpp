// Plain loops that the compiler vectorises for each instruction set. No product is ever added to anything
// inexactly, so that fused multiply-adds cannot change a bit.

#include "quant/kernels/fake_quantize_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even, for |v| < 2^22.
constexpr float kRounder = 12582912.0f;
constexpr int kLanes = 16;

inline float rounded(float v, float lo, float hi) {
  v = v == v ? v : 0.0f;
  v = v < lo ? lo : v;
  v = v > hi ? hi : v;
  return (v + kRounder) - kRounder;
}

void fake_quantize(const float* x, std::int64_t n, float scale, float lo, float hi, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = rounded(x[i] / scale, lo, hi) * scale;
}

void backward(const float* x, std::int64_t n, float scale, float lo, float hi, const float* dy, float* dx) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = x[i] / scale;
    const float q = rounded(v, lo - 1, hi + 1);
    dx[i] = (q >= lo) & (q <= hi) & (v == v) ? dy[i] : 0.0f;
  }
}

template <typename Integer>
inline void quantize(const float* x, std::int64_t n, float scale, float lo, float hi, Integer* q) {
  for (std::int64_t i = 0; i < n; ++i)
    q[i] = static_cast<Integer>(static_cast<std::int32_t>(rounded(x[i] / scale, lo, hi)));
}

void quantize_u8(const float* x, std::int64_t n, float scale, float lo, float hi, std::uint8_t* q) {
  quantize(x, n, scale, lo, hi, q);
}

void quantize_s8(const float* x, std::int64_t n, float scale, float lo, float hi, std::int8_t* q) {
  quantize(x, n, scale, lo, hi, q);
}

void dequantize_u8(const std::uint8_t* q, std::int64_t n, float scale, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(static_cast<std::int32_t>(q[i])) * scale;
}

void dequantize_s8(const std::int8_t* q, std::int64_t n, float scale, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(static_cast<std::int32_t>(q[i])) * scale;
}

void min_max(const float* x, std::int64_t n, float* min, float* max) {
  float low[kLanes], high[kLanes], odd[kLanes];
  for (int j = 0; j < kLanes; ++j) low[j] = high[j] = odd[j] = x[0];
  const std::int64_t whole = n / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes)
    for (int j = 0; j < kLanes; ++j) {
      const float v = x[i + j];
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
      odd[j] = v == v ? odd[j] : v;
    }
  for (std::int64_t i = whole; i < n; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
    odd[0] = x[i] == x[i] ? odd[0] : x[i];
  }
  float nan = x[0];
  for (int j = 1; j < kLanes; ++j) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
  }
  for (int j = 0; j < kLanes; ++j) nan = odd[j] == odd[j] ? nan : odd[j];
  *min = nan == nan ? low[0] : nan;
  *max = nan == nan ? high[0] : nan;
}

// The product of an 8-bit integer and a float, and the square of a float, are exact in double.
inline double squared_error(float x, float scale, float lo, float hi) {
  const double q = static_cast<double>(rounded(x / scale, lo, hi));
  const double d =
      static_cast<double>(static_cast<float>(static_cast<double>(x) - q * static_cast<double>(scale)));
  return d * d;
}

template <bool kWeighted>
inline double error_of(const float* x, const float* weight, std::int64_t n, float scale, float lo, float hi) {
  double sums[kLanes] = {};
  const std::int64_t whole = n / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes)
    for (int j = 0; j < kLanes; ++j) {
      const double e = squared_error(x[i + j], scale, lo, hi);
      // Rounding the square to float keeps its product with a float weight exact, so that fusing changes
      // nothing.
      if constexpr (kWeighted)
        sums[j] += static_cast<double>(static_cast<float>(e)) * static_cast<double>(weight[i + j]);
      else
        sums[j] += e;
    }
  for (std::int64_t i = whole; i < n; ++i) {
    const double e = squared_error(x[i], scale, lo, hi);
    if constexpr (kWeighted)
      sums[i - whole] += static_cast<double>(static_cast<float>(e)) * static_cast<double>(weight[i]);
    else
      sums[i - whole] += e;
  }
  double sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += sums[j];
  return sum;
}

double error(const float* x, const float* weight, std::int64_t n, float scale, float lo, float hi) {
  return weight != nullptr ? error_of<true>(x, weight, n, scale, lo, hi)
                           : error_of<false>(x, weight, n, scale, lo, hi);
}

void bin_indices(const float* x, std::int64_t n, float inverse_width, int bins, std::int32_t* index) {
  const float last = static_cast<float>(bins - 1);
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = x[i];
    float at = (v < 0 ? -v : v) * inverse_width;
    at = at > last ? last : at;
    index[i] = static_cast<std::int32_t>(at) + (v < 0 ? bins : 0);
  }
}

}  // namespace

extern const FakeQuantizeKernels fake_quantize_kernels;
const FakeQuantizeKernels fake_quantize_kernels = {fake_quantize, backward,      quantize_u8,
                                                   quantize_s8,   dequantize_u8, dequantize_s8,
                                                   min_max,       error,         bin_indices};

}  // namespace bitsmith::quant::BITSMITH_ISA
