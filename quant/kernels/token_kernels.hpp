#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// The loops of transformers, forward and backward. Training and deployed networks both run them, so that
/// they compute the same. Rows lie one after the other unless a distance is given.
struct TokenKernels {
  /// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta in each row of n, the variance being the mean
  /// square (Ba et al. 2016, eq. 4). y may be x.
  void (*layer_norm)(const float* x, std::int64_t rows, int n, const float* gamma, const float* beta,
                     float epsilon, float* y);
  /// Adds to `gamma_sums` and `beta_sums` what their gradients get; dx, which may be dy, or null, is written.
  void (*layer_norm_backward)(const float* x, const float* dy, std::int64_t rows, int n, const float* gamma,
                              float epsilon, double* gamma_sums, double* beta_sums, float* dx);
  /// y = x * Phi(x), Phi the normal distribution, to 1e-7 (Hendrycks and Gimpel 2016). y may be x.
  void (*gelu)(const float* x, std::int64_t n, float* y);
  void (*gelu_backward)(const float* x, const float* dy, std::int64_t n, float* dx);
  /// y = exp(x - max) / sum of these, in each row of n. y may be x.
  void (*softmax)(const float* x, std::int64_t rows, int n, float* y);
  void (*softmax_backward)(const float* y, const float* dy, std::int64_t rows, int n, float* dx);
  /// c (m x n) = factor * a (m x k) * b (k x n); rows are lda, ldb and ldc floats apart.
  void (*product)(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, int m, int n, int k,
                  float factor, float* c, std::int64_t ldc);
  /// c (m x n) = factor * a (m x k) * b (k x n) of integers, summed exactly while sums fit 32 bits. They come
  /// in pairs along k, `pairs` of them, as two 16-bit numbers in 32 bits, the first one in the low half: a
  /// row of a has them one after the other; a row of b, for one pair, has n rounded up to a multiple of
  /// kPairColumns. Rows of c are ldc floats apart.
  void (*product_of_pairs)(const std::int32_t* a, const std::int32_t* b, int m, int n, int pairs,
                           float factor, float* c, std::int64_t ldc);
  static constexpr int kPairColumns = 16;
  /// `rows` rows of k bytes, `distance` apart, as pairs; the last one of an odd k is with 0.
  void (*pair_u8)(const std::uint8_t* x, std::int64_t distance, int rows, int k, std::int32_t* pairs);
  void (*pair_s8)(const std::int8_t* x, std::int64_t distance, int rows, int k, std::int32_t* pairs);
  /// Two rows of n bytes as n pairs.
  void (*interleave_u8)(const std::uint8_t* first, const std::uint8_t* second, int n, std::int32_t* pairs);
  void (*interleave_s8)(const std::int8_t* first, const std::int8_t* second, int n, std::int32_t* pairs);
};

/// Those of the chosen instruction set.
const TokenKernels& token_kernels();

namespace scalar {
extern const TokenKernels token_kernels;
}
namespace avx2 {
extern const TokenKernels token_kernels;
}
namespace avx512 {
extern const TokenKernels token_kernels;
}

}  // namespace bitsmith::quant
