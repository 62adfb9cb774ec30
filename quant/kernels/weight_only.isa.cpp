// fp32 rows times tiles of weights that were converted to fp32. Plain loops that the compiler vectorises;
// only products keep their sums in registers by hand.

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

#if defined(BITSMITH_ISA_avx512)

inline __m512i sixteen_bytes(const std::uint8_t* from) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Even and odd depths are summed apart, so that no sum waits for itself.
template <int kVectors>
void multiply_vectors_int8(const float* row, const std::uint8_t* block, std::int64_t depth, float* sums) {
  __m512 even[kVectors], odd[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) even[v] = odd[v] = _mm512_setzero_ps();
  const auto weights = [](const std::uint8_t* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  };
  for (std::int64_t k = 0; k < depth; k += 2, block += 32 * kVectors) {
    const __m512 x0 = _mm512_set1_ps(row[k]), x1 = _mm512_set1_ps(row[k + 1]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      even[v] = _mm512_fmadd_ps(x0, weights(block + 16 * v), even[v]);
      odd[v] = _mm512_fmadd_ps(x1, weights(block + 16 * (kVectors + v)), odd[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(sums + 16 * v, _mm512_add_ps(even[v], odd[v]));
}

// A nibble names its float in a register of sixteen; permuting ignores the bits above.
template <int kVectors>
void multiply_vectors_int4(const float* row, const std::uint8_t* block, std::int64_t depth, float* sums) {
  const __m512 values = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
  __m512 even[kVectors], odd[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) even[v] = odd[v] = _mm512_setzero_ps();
  for (std::int64_t k = 0; k < depth; k += 2, block += 16 * kVectors) {
    const __m512 x0 = _mm512_set1_ps(row[k]), x1 = _mm512_set1_ps(row[k + 1]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512i pair = sixteen_bytes(block + 16 * v);
      even[v] = _mm512_fmadd_ps(x0, _mm512_permutexvar_ps(pair, values), even[v]);
      odd[v] = _mm512_fmadd_ps(x1, _mm512_permutexvar_ps(_mm512_srli_epi32(pair, 4), values), odd[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(sums + 16 * v, _mm512_add_ps(even[v], odd[v]));
}

using MultiplyRow = void(const float* row, const std::uint8_t* block, std::int64_t depth, float* sums);

void multiply_int8(const float* row, const std::uint8_t* block, std::int64_t depth, int width, float* sums) {
  static constexpr MultiplyRow* kBySize[] = {multiply_vectors_int8<1>, multiply_vectors_int8<2>,
                                             multiply_vectors_int8<3>, multiply_vectors_int8<4>};
  kBySize[width / kLanes - 1](row, block, depth, sums);
}

void multiply_int4(const float* row, const std::uint8_t* block, std::int64_t depth, int width, float* sums) {
  static constexpr MultiplyRow* kBySize[] = {multiply_vectors_int4<1>, multiply_vectors_int4<2>,
                                             multiply_vectors_int4<3>, multiply_vectors_int4<4>};
  kBySize[width / kLanes - 1](row, block, depth, sums);
}

#else

constexpr auto multiply_int8 =
    static_cast<void (*)(const float*, const std::uint8_t*, std::int64_t, int, float*)>(nullptr);
constexpr auto multiply_int4 = multiply_int8;

#endif

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
const WeightOnlyKernels weight_only_kernels = {kMaxRows,      decode_int8,   decode_int4, multiply,
                                               multiply_int8, multiply_int4, accumulate,  finish};

}  // namespace bitsmith::quant::BITSMITH_ISA
