#include "trainer/kernels/passes.hpp"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace bitsmith::trainer::BITSMITH_ISA {
namespace {

#if defined(BITSMITH_ISA_avx512)
constexpr int kLanes = 16;
#elif defined(BITSMITH_ISA_avx2)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef float Loose __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

constexpr int kBlock = 4;                   // vectors a row of a tile has: two sums of four fit the registers
constexpr std::int64_t kTileFloats = 8192;  // rows times width between two flushes to double: 32 KiB, L1

inline Vec load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
inline Vec spread(float value) { return Vec{} + value; }
inline float clamped(float v, float low, float high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}
inline float inside(float v, float g, float low, float high) { return (v > low) & (v < high) ? g : 0.0f; }

inline void flush(const Vec& v, double* sum) {
  for (int k = 0; k < kLanes; ++k) sum[k] += static_cast<double>(v[k]);
}

template <int V>
void moments_tile(const float* x, std::int64_t rows, std::int64_t width, const float* shift, double* sum,
                  double* square) {
  Vec s[V] = {}, q[V] = {}, k[V];
  for (int j = 0; j < V; ++j) k[j] = load(shift + j * kLanes);
  for (std::int64_t r = 0; r < rows; ++r, x += width)
    for (int j = 0; j < V; ++j) {
      const Vec d = load(x + j * kLanes) - k[j];
      s[j] += d;
      q[j] += d * d;
    }
  for (int j = 0; j < V; ++j) {
    flush(s[j], sum + j * kLanes);
    flush(q[j], square + j * kLanes);
  }
}

void moments_column(const float* x, std::int64_t rows, std::int64_t width, float shift, double& sum,
                    double& square) {
  float s = 0, q = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float d = x[r * width] - shift;
    s += d;
    q += d * d;
  }
  sum += static_cast<double>(s);
  square += static_cast<double>(q);
}

std::int64_t tile_rows(std::int64_t width) {
  const std::int64_t rows = kTileFloats / width;
  return rows < 16 ? 16 : rows;
}

void moments(const float* x, std::int64_t rows, std::int64_t width, const float* shift, double* sum,
             double* square) {
  const std::int64_t step = tile_rows(width);
  for (std::int64_t r = 0; r < rows; r += step) {
    const std::int64_t n = rows - r < step ? rows - r : step;
    const float* tile = x + r * width;
    std::int64_t c = 0;
    for (; c + kBlock * kLanes <= width; c += kBlock * kLanes)
      moments_tile<kBlock>(tile + c, n, width, shift + c, sum + c, square + c);
    for (; c + kLanes <= width; c += kLanes)
      moments_tile<1>(tile + c, n, width, shift + c, sum + c, square + c);
    for (; c < width; ++c) moments_column(tile + c, n, width, shift[c], sum[c], square[c]);
  }
}

void normalise(const float* x, std::int64_t rows, std::int64_t width, const float* mean, const float* scale,
               const float* beta, float low, float high, float* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += width, y += width) {
#pragma GCC ivdep
    for (std::int64_t c = 0; c < width; ++c) y[c] = clamped((x[c] - mean[c]) * scale[c] + beta[c], low, high);
  }
}

struct Tables {
  const float *mean, *scale, *beta;
  float low, high;
};

template <int V>
void backward_tile(const float* x, const float* dy, std::int64_t rows, std::int64_t width, const Tables& t,
                   std::int64_t column, double* sum, double* product) {
  Vec s[V] = {}, p[V] = {};
  const Vec low = spread(t.low), high = spread(t.high), zero = {};
  for (std::int64_t r = 0; r < rows; ++r, x += width, dy += width)
    for (int j = 0; j < V; ++j) {
      const std::int64_t c = column + j * kLanes;
      const Vec d = load(x + j * kLanes) - load(t.mean + c);
      const Vec v = d * load(t.scale + c) + load(t.beta + c);
      const Vec g = (v > low) & (v < high) ? load(dy + j * kLanes) : zero;
      s[j] += g;
      p[j] += g * d;
    }
  for (int j = 0; j < V; ++j) {
    flush(s[j], sum + j * kLanes);
    flush(p[j], product + j * kLanes);
  }
}

void backward_column(const float* x, const float* dy, std::int64_t rows, std::int64_t width, const Tables& t,
                     std::int64_t c, double& sum, double& product) {
  float s = 0, p = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float d = x[r * width] - t.mean[c];
    const float g = inside(d * t.scale[c] + t.beta[c], dy[r * width], t.low, t.high);
    s += g;
    p += g * d;
  }
  sum += static_cast<double>(s);
  product += static_cast<double>(p);
}

void normalise_backward_sums(const float* x, const float* dy, std::int64_t rows, std::int64_t width,
                             const float* mean, const float* scale, const float* beta, float low, float high,
                             double* sum, double* product) {
  const Tables t{mean, scale, beta, low, high};
  const std::int64_t step = tile_rows(width);
  for (std::int64_t r = 0; r < rows; r += step) {
    const std::int64_t n = rows - r < step ? rows - r : step;
    const float *xt = x + r * width, *dt = dy + r * width;
    std::int64_t c = 0;
    for (; c + kBlock * kLanes <= width; c += kBlock * kLanes)
      backward_tile<kBlock>(xt + c, dt + c, n, width, t, c, sum + c, product + c);
    for (; c + kLanes <= width; c += kLanes)
      backward_tile<1>(xt + c, dt + c, n, width, t, c, sum + c, product + c);
    for (; c < width; ++c) backward_column(xt + c, dt + c, n, width, t, c, sum[c], product[c]);
  }
}

void normalise_backward(const float* x, const float* dy, std::int64_t rows, std::int64_t width,
                        const float* mean, const float* scale, const float* beta, float low, float high,
                        const float* slope, const float* offset, float* dx) {
  for (std::int64_t r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
#pragma GCC ivdep
    for (std::int64_t c = 0; c < width; ++c) {
      const float d = x[c] - mean[c];
      const float g = inside(d * scale[c] + beta[c], dy[c], low, high);
      dx[c] = scale[c] * g + (slope[c] * d + offset[c]);
    }
  }
}

void offset_and_scale(float* y, std::int64_t rows, std::int64_t width, const float* offset,
                      const float* scale) {
  for (std::int64_t r = 0; r < rows; ++r, y += width) {
#pragma GCC ivdep
    for (std::int64_t c = 0; c < width; ++c) y[c] = (y[c] + offset[c]) * scale[c];
  }
}

void add(const float* a, const float* b, std::int64_t n, float low, float high, float* y) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = clamped(a[i] + b[i], low, high);
}

void clamp(const float* x, std::int64_t n, float low, float high, float* y) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = clamped(x[i], low, high);
}

void clamp_backward(const float* y, const float* dy, std::int64_t n, float low, float high, float* dx) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) dx[i] = inside(y[i], dy[i], low, high);
}

inline std::uint32_t bits_of(float value) { return __builtin_bit_cast(std::uint32_t, value); }

void to_bf16(const float* x, std::int64_t n, std::uint16_t* y) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t bits = bits_of(x[i]);
    const std::uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    y[i] = static_cast<std::uint16_t>(is_nan ? 0x7fc0u : rounded);
  }
}

// An integer of 8 bits fills no more than the upper half of a float.
void bytes_to_bf16(const std::uint8_t* q, std::int64_t n, std::uint16_t* y) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i)
    y[i] = static_cast<std::uint16_t>(bits_of(static_cast<float>(std::int32_t{q[i]})) >> 16);
}

void signed_bytes_to_bf16(const std::uint8_t* q, std::int64_t n, std::uint16_t* y) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i)
    y[i] = static_cast<std::uint16_t>(
        bits_of(static_cast<float>(std::int32_t{static_cast<std::int8_t>(q[i])})) >> 16);
}

void sgd(float* w, const float* g, float* buffer, std::int64_t n, float rate, float momentum, float decay,
         bool nesterov, bool first) {
  const float keep = first ? 0.0f : momentum;
  const float direct = nesterov ? 1.0f : 0.0f, along = nesterov ? momentum : 1.0f;
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] + decay * w[i];
    const float b = keep * buffer[i] + gradient;
    buffer[i] = b;
    w[i] -= rate * (direct * gradient + along * b);
  }
}

void adam(float* w, const float* g, float* m, float* v, std::int64_t n, float rate, float beta1, float beta2,
          float decay, float epsilon, float correction1, float correction2) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] + decay * w[i];
    m[i] = beta1 * m[i] + (1.0f - beta1) * gradient;
    v[i] = beta2 * v[i] + (1.0f - beta2) * gradient * gradient;
    w[i] -= rate * (m[i] / correction1) / (__builtin_sqrtf(v[i] / correction2) + epsilon);
  }
}

}  // namespace

const Passes passes = {moments,
                       normalise,
                       normalise_backward_sums,
                       normalise_backward,
                       offset_and_scale,
                       add,
                       clamp,
                       clamp_backward,
                       to_bf16,
                       bytes_to_bf16,
                       signed_bytes_to_bf16,
                       sgd,
                       adam};

}  // namespace bitsmith::trainer::BITSMITH_ISA
