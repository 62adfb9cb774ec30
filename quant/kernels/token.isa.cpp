// Most are plain loops that the compiler vectorises. Sums over a row are not, as it must not reorder floats
// by itself: they go through a vector of partial sums.

#include "quant/kernels/token_kernels.hpp"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "quant/kernels/exponential.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

#if defined(BITSMITH_ISA_avx512)
constexpr int kWidth = 16;
#elif defined(BITSMITH_ISA_avx2)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
typedef float Vec __attribute__((vector_size(kWidth * 4)));
typedef float Loose __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const Loose*>(p); }

/// What is at x[i]: a vector from there on, or the one number.
struct VectorAt {
  int i;
  Vec operator()(const float* x) const { return load(x + i); }
};
struct NumberAt {
  int i;
  float operator()(const float* x) const { return x[i]; }
};

/// The sum of term(at) for all i below n.
template <typename Term>
inline float sum_of(int n, const Term& term) {
  Vec sums = {};
  float rest = 0.0f;
  int i = 0;
  for (; i + kWidth <= n; i += kWidth) sums += term(VectorAt{i});
  for (; i < n; ++i) rest += term(NumberAt{i});
  for (int k = 0; k < kWidth; ++k) rest += sums[k];
  return rest;
}

inline float largest_of(const float* x, int n) {
  Vec largest = Vec{} + x[0];
  float most = x[0];
  int i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const Vec v = load(x + i);
    largest = v > largest ? v : largest;
  }
  for (; i < n; ++i) most = x[i] > most ? x[i] : most;
  for (int k = 0; k < kWidth; ++k) most = largest[k] > most ? largest[k] : most;
  return most;
}

struct Moments {
  float mean, inverse;  // of the deviation
};
inline Moments moments(const float* x, int n, float epsilon) {
  const float share = 1.0f / static_cast<float>(n);
  const float mean = sum_of(n, [&](auto at) { return at(x); }) * share;
  const float variance = sum_of(n, [&](auto at) { return (at(x) - mean) * (at(x) - mean); }) * share;
  return {mean, 1.0f / __builtin_sqrtf(variance + epsilon)};
}

void layer_norm(const float* x, std::int64_t rows, int n, const float* gamma, const float* beta,
                float epsilon, float* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const Moments m = moments(x, n, epsilon);
    for (int i = 0; i < n; ++i) y[i] = (x[i] - m.mean) * m.inverse * gamma[i] + beta[i];
  }
}

void layer_norm_backward(const float* x, const float* dy, std::int64_t rows, int n, const float* gamma,
                         float epsilon, double* gamma_sums, double* beta_sums, float* dx) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, dy += n) {
    const Moments m = moments(x, n, epsilon);
#pragma GCC ivdep
    for (int i = 0; i < n; ++i) {
      gamma_sums[i] += static_cast<double>(dy[i] * ((x[i] - m.mean) * m.inverse));
      beta_sums[i] += static_cast<double>(dy[i]);
    }
    if (dx == nullptr) continue;
    const float share = 1.0f / static_cast<float>(n);
    const float mean = sum_of(n, [&](auto at) { return at(dy) * at(gamma); }) * share;
    const float along =
        sum_of(n, [&](auto at) { return at(dy) * at(gamma) * ((at(x) - m.mean) * m.inverse); }) * share;
#pragma GCC ivdep
    for (int i = 0; i < n; ++i)
      dx[i] = m.inverse * (dy[i] * gamma[i] - mean - (x[i] - m.mean) * m.inverse * along);
    dx += n;
  }
}

void gelu(const float* x, std::int64_t n, float* y) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * normal(x[i]).share;
}

void gelu_backward(const float* x, const float* dy, std::int64_t n, float* dx) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const Normal at = normal(x[i]);
    dx[i] = dy[i] * (at.share + x[i] * at.bell * 0.398942280f);
  }
}

/// Some rows at a time, so that exp runs over long stretches that stay in the L1 cache.
void softmax(const float* x, std::int64_t rows, int n, float* y) {
  constexpr int kStretch = 2048;
  const std::int64_t at_once = n < kStretch ? kStretch / n : 1;
  for (std::int64_t first = 0; first < rows; first += at_once) {
    const std::int64_t count = rows - first < at_once ? rows - first : at_once;
    float* row = y;
    for (std::int64_t r = 0; r < count; ++r, x += n, row += n) {
      const float largest = largest_of(x, n);
#pragma GCC ivdep
      for (int i = 0; i < n; ++i) row[i] = x[i] - largest;
    }
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count * n; ++i) y[i] = exponential(y[i]);
    for (std::int64_t r = 0; r < count; ++r, y += n) {
      const float share = 1.0f / sum_of(n, [&](auto at) { return at(y); });
      for (int i = 0; i < n; ++i) y[i] *= share;
    }
  }
}

void softmax_backward(const float* y, const float* dy, std::int64_t rows, int n, float* dx) {
  for (std::int64_t r = 0; r < rows; ++r, y += n, dy += n, dx += n) {
    const float along = sum_of(n, [&](auto at) { return at(y) * at(dy); });
#pragma GCC ivdep
    for (int i = 0; i < n; ++i) dx[i] = y[i] * (dy[i] - along);
  }
}

constexpr int kVectors = 2;

/// R rows of c, V vectors wide.
template <int R, int V>
inline void tile(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, int k, float factor,
                 float* c, std::int64_t ldc) {
  Vec sum[R][V] = {};
  for (int j = 0; j < k; ++j) {
    Vec row[V];
    for (int v = 0; v < V; ++v) row[v] = *reinterpret_cast<const Loose*>(b + j * ldb + v * kWidth);
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) sum[r][v] += a[r * lda + j] * row[v];
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) *reinterpret_cast<Loose*>(c + r * ldc + v * kWidth) = sum[r][v] * factor;
}

template <int R>
inline void rows_of_product(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, int n, int k,
                            float factor, float* c, std::int64_t ldc) {
  int i = 0;
  for (; i + kVectors * kWidth <= n; i += kVectors * kWidth)
    tile<R, kVectors>(a, lda, b + i, ldb, k, factor, c + i, ldc);
  for (; i + kWidth <= n; i += kWidth) tile<R, 1>(a, lda, b + i, ldb, k, factor, c + i, ldc);
  for (; i < n; ++i)
    for (int r = 0; r < R; ++r) {
      float sum = 0.0f;
      for (int j = 0; j < k; ++j) sum += a[r * lda + j] * b[j * ldb + i];
      c[r * ldc + i] = sum * factor;
    }
}

void product(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, int m, int n, int k,
             float factor, float* c, std::int64_t ldc) {
  int i = 0;
  for (; i + 4 <= m; i += 4) rows_of_product<4>(a + i * lda, lda, b, ldb, n, k, factor, c + i * ldc, ldc);
  for (; i < m; ++i) rows_of_product<1>(a + i * lda, lda, b, ldb, n, k, factor, c + i * ldc, ldc);
}

/// R rows of a times 16 columns of b, `width` of which there are.
template <int R>
inline void pair_tile(const std::int32_t* a, const std::int32_t* b, int ldb, int pairs, float factor,
                      int width, float* c, std::int64_t ldc) {
  float made[R][TokenKernels::kPairColumns];
#if defined(BITSMITH_ISA_avx512)
  __m512i sum[R];
  for (int r = 0; r < R; ++r) sum[r] = _mm512_setzero_si512();
  for (int j = 0; j < pairs; ++j) {
    const __m512i row = _mm512_loadu_si512(b + std::int64_t{j} * ldb);
    for (int r = 0; r < R; ++r)
      sum[r] =
          _mm512_add_epi32(sum[r], _mm512_madd_epi16(row, _mm512_set1_epi32(a[std::int64_t{r} * pairs + j])));
  }
  for (int r = 0; r < R; ++r)
    _mm512_storeu_ps(made[r], _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r]), _mm512_set1_ps(factor)));
#elif defined(BITSMITH_ISA_avx2)
  __m256i sum[R][2];
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (int j = 0; j < pairs; ++j) {
    const auto* row = reinterpret_cast<const __m256i*>(b + std::int64_t{j} * ldb);
    const __m256i low = _mm256_loadu_si256(row), high = _mm256_loadu_si256(row + 1);
    for (int r = 0; r < R; ++r) {
      const __m256i pair = _mm256_set1_epi32(a[std::int64_t{r} * pairs + j]);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(low, pair));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(high, pair));
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 2; ++v)
      _mm256_storeu_ps(made[r] + 8 * v, _mm256_mul_ps(_mm256_cvtepi32_ps(sum[r][v]), _mm256_set1_ps(factor)));
#else
  std::int32_t sum[R][TokenKernels::kPairColumns] = {};
  for (int j = 0; j < pairs; ++j)
    for (int r = 0; r < R; ++r) {
      const std::int32_t pair = a[std::int64_t{r} * pairs + j];
      const std::int32_t first = static_cast<std::int16_t>(pair), second = pair >> 16;
      for (int i = 0; i < TokenKernels::kPairColumns; ++i) {
        const std::int32_t other = b[std::int64_t{j} * ldb + i];
        sum[r][i] += first * static_cast<std::int16_t>(other) + second * (other >> 16);
      }
    }
  for (int r = 0; r < R; ++r)
    for (int i = 0; i < TokenKernels::kPairColumns; ++i) made[r][i] = static_cast<float>(sum[r][i]) * factor;
#endif
  for (int r = 0; r < R; ++r)
    if (width == TokenKernels::kPairColumns)
      __builtin_memcpy(c + r * ldc, made[r], sizeof made[r]);
    else
      for (int i = 0; i < width; ++i) c[r * ldc + i] = made[r][i];
}

void product_of_pairs(const std::int32_t* a, const std::int32_t* b, int m, int n, int pairs, float factor,
                      float* c, std::int64_t ldc) {
  constexpr int kColumns = TokenKernels::kPairColumns;
  const int ldb = (n + kColumns - 1) / kColumns * kColumns;
  for (int column = 0; column < n; column += kColumns) {
    const int width = n - column < kColumns ? n - column : kColumns;
    int i = 0;
    for (; i + 4 <= m; i += 4)
      pair_tile<4>(a + std::int64_t{i} * pairs, b + column, ldb, pairs, factor, width, c + i * ldc + column,
                   ldc);
    for (; i < m; ++i)
      pair_tile<1>(a + std::int64_t{i} * pairs, b + column, ldb, pairs, factor, width, c + i * ldc + column,
                   ldc);
  }
}

inline std::int32_t paired(int first, int second) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(second) << 16 |
                                   (static_cast<std::uint32_t>(first) & 0xFFFFu));
}

/// Pairs of a row are its numbers in 16 bits, one after the other.
template <typename T>
inline void pair_rows(const T* x, std::int64_t distance, int rows, int k, std::int32_t* pairs) {
  typedef std::int16_t Half __attribute__((may_alias));
  auto* to = reinterpret_cast<Half*>(pairs);
  for (int r = 0; r < rows; ++r, x += distance) {
#pragma GCC ivdep
    for (int j = 0; j < k; ++j) to[j] = x[j];
    to += k;
    if (k % 2 != 0) *to++ = 0;
  }
}
void pair_u8(const std::uint8_t* x, std::int64_t distance, int rows, int k, std::int32_t* pairs) {
  pair_rows(x, distance, rows, k, pairs);
}
void pair_s8(const std::int8_t* x, std::int64_t distance, int rows, int k, std::int32_t* pairs) {
  pair_rows(x, distance, rows, k, pairs);
}

template <typename T>
inline void interleave(const T* first, const T* second, int n, std::int32_t* pairs) {
#pragma GCC ivdep
  for (int i = 0; i < n; ++i) pairs[i] = paired(first[i], second[i]);
}
void interleave_u8(const std::uint8_t* first, const std::uint8_t* second, int n, std::int32_t* pairs) {
  interleave(first, second, n, pairs);
}
void interleave_s8(const std::int8_t* first, const std::int8_t* second, int n, std::int32_t* pairs) {
  interleave(first, second, n, pairs);
}

}  // namespace

const TokenKernels token_kernels = {
    layer_norm, layer_norm_backward, gelu,    gelu_backward, softmax,       softmax_backward,
    product,    product_of_pairs,    pair_u8, pair_s8,       interleave_u8, interleave_s8};

}  // namespace bitsmith::quant::BITSMITH_ISA
