// fp32 rows times tiles of weights that were converted to fp32. Plain loops that the compiler vectorises;
// only the product keeps its sums in registers by hand.

#if defined(BITSMITH_ISA_avx512) || defined(BITSMITH_ISA_avx2)
#include <immintrin.h>
#endif

#include "quant/kernels/weight_only_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

constexpr int kMaxRows = 12;

void decode_int8(const std::uint8_t* block, std::int64_t depth, int width, float* tile) {
  const std::int8_t* w = reinterpret_cast<const std::int8_t*>(block);
  const std::int64_t n = depth * width;
  for (std::int64_t i = 0; i < n; ++i) tile[i] = static_cast<float>(static_cast<std::int32_t>(w[i]));
}

void decode_int4(const std::uint8_t* block, std::int64_t depth, int width, float* tile) {
  for (std::int64_t k = 0; k < depth; k += 2, block += width, tile += 2 * width)
    for (int c = 0; c < width; ++c) {
      const std::int32_t low = block[c] & 0x0F, high = block[c] >> 4;
      tile[c] = static_cast<float>((low ^ 8) - 8);
      tile[width + c] = static_cast<float>((high ^ 8) - 8);
    }
}

#if defined(BITSMITH_ISA_avx512)
using Vector = __m512;
constexpr int kLanes = 16;
inline Vector load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
inline Vector broadcast(const float* p) { return _mm512_set1_ps(*p); }
inline Vector fused(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(BITSMITH_ISA_avx2)
using Vector = __m256;
constexpr int kLanes = 8;
inline Vector load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
inline Vector broadcast(const float* p) { return _mm256_set1_ps(*p); }
inline Vector fused(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
#else
struct Vector {
  float v[4];
};
constexpr int kLanes = 4;
inline Vector load(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
inline void store(float* p, Vector a) {
  for (int i = 0; i < 4; ++i) p[i] = a.v[i];
}
inline Vector broadcast(const float* p) { return {{*p, *p, *p, *p}}; }
inline Vector fused(Vector a, Vector b, Vector c) {
  for (int i = 0; i < 4; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
#endif

// Two vectors of columns at a time, kRows rows: 12 to 24 sums in registers.
template <int kRows>
void multiply_rows(const float* rows, std::int64_t stride, const float* tile, std::int64_t depth, int width,
                   float* sums) {
  for (int c = 0; c < width; c += 2 * kLanes) {
    const bool pair = c + kLanes < width;
    Vector acc[kRows][2];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      acc[r][0] = load(sums + r * width + c);
      acc[r][1] = pair ? load(sums + r * width + c + kLanes) : acc[r][0];
    }
    const float* w = tile + c;
    const int second = pair ? kLanes : 0;
    for (std::int64_t k = 0; k < depth; ++k, w += width) {
      const Vector w0 = load(w), w1 = load(w + second);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        const Vector x = broadcast(rows + r * stride + k);
        acc[r][0] = fused(x, w0, acc[r][0]);
        acc[r][1] = fused(x, w1, acc[r][1]);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      store(sums + r * width + c, acc[r][0]);
      if (pair) store(sums + r * width + c + kLanes, acc[r][1]);
    }
  }
}

void multiply(const float* rows, std::int64_t stride, int count, const float* tile, std::int64_t depth,
              int width, float* sums) {
  for (; count >= 6; count -= 6, rows += 6 * stride, sums += 6 * width)
    multiply_rows<6>(rows, stride, tile, depth, width, sums);
  for (; count >= 1; --count, rows += stride, sums += width)
    multiply_rows<1>(rows, stride, tile, depth, width, sums);
}

void accumulate(const float* x, const std::int8_t* weights, int n, float* sums) {
  for (int c = 0; c < n; ++c) sums[c] += x[c] * static_cast<float>(static_cast<std::int32_t>(weights[c]));
}

void finish(const float* sums, const float* offset, const float* multiplier, float low, float high, int n,
            float* out) {
  for (int c = 0; c < n; ++c) {
    float v = (sums[c] + offset[c]) * multiplier[c];
    v = v < low ? low : v;
    out[c] = v > high ? high : v;
  }
}

}  // namespace

extern const WeightOnlyKernels weight_only_kernels;
const WeightOnlyKernels weight_only_kernels = {kMaxRows, decode_int8, decode_int4,
                                               multiply, accumulate,  finish};

}  // namespace bitsmith::quant::BITSMITH_ISA
