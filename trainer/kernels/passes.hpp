#pragma once

#include <cstddef>
#include <cstdint>

namespace bitsmith::trainer {

/// The trainer's loops over memory, one set per instruction set. Plain pointers; nothing is checked; no
/// pointer needs alignment. "Table" arguments have `width` entries, one per column of a matrix of `rows` x
/// `width` values.
///
/// An activation is a pair (low, high): ReLU (0, +inf), ReLU6 (0, 6), none (-inf, +inf). Its output is the
/// value clamped to it (NaN stays NaN); its gradient passes where low < value < high.
struct Passes {
  /// Adds to sum[c] and square[c] the sums over the rows of (x - shift) and of its square.
  void (*moments)(const float* x, std::int64_t rows, std::int64_t width, const float* shift, double* sum,
                  double* square);
  /// y = clamp((x - mean) * scale + beta). y may be x.
  void (*normalise)(const float* x, std::int64_t rows, std::int64_t width, const float* mean,
                    const float* scale, const float* beta, float low, float high, float* y);
  /// With g = dy where (x - mean) * scale + beta is strictly between low and high, else 0: adds to sum[c] the
  /// sums of g, and to product[c] those of g * (x - mean).
  void (*normalise_backward_sums)(const float* x, const float* dy, std::int64_t rows, std::int64_t width,
                                  const float* mean, const float* scale, const float* beta, float low,
                                  float high, double* sum, double* product);
  /// dx = scale * g + slope * (x - mean) + offset, g as above. dx may be dy.
  void (*normalise_backward)(const float* x, const float* dy, std::int64_t rows, std::int64_t width,
                             const float* mean, const float* scale, const float* beta, float low, float high,
                             const float* slope, const float* offset, float* dx);
  /// y = (y + offset) * scale.
  void (*offset_and_scale)(float* y, std::int64_t rows, std::int64_t width, const float* offset,
                           const float* scale);
  /// y = clamp(a + b). y may be a or b.
  void (*add)(const float* a, const float* b, std::int64_t n, float low, float high, float* y);
  /// y = clamp(x). y may be x.
  void (*clamp)(const float* x, std::int64_t n, float low, float high, float* y);
  /// dx = dy where low < y < high, else 0. dx may be dy. (Output and input of a clamp are inside together.)
  void (*clamp_backward)(const float* y, const float* dy, std::int64_t n, float low, float high, float* dx);
  /// y = x rounded to bf16, half to even; NaN stays NaN.
  void (*to_bf16)(const float* x, std::int64_t n, std::uint16_t* y);
  /// Bytes as bf16, exactly: 0..255, or -128..127.
  void (*bytes_to_bf16)(const std::uint8_t* q, std::int64_t n, std::uint16_t* y);
  void (*signed_bytes_to_bf16)(const std::uint8_t* q, std::int64_t n, std::uint16_t* y);
  /// Stochastic gradient descent; see optimizer.hpp. first: the buffer becomes the gradient.
  void (*sgd)(float* w, const float* g, float* buffer, std::int64_t n, float rate, float momentum,
              float decay, bool nesterov, bool first);
  /// correction1 = 1 - beta1^t, correction2 = 1 - beta2^t.
  void (*adam)(float* w, const float* g, float* m, float* v, std::int64_t n, float rate, float beta1,
               float beta2, float decay, float epsilon, float correction1, float correction2);
};

namespace scalar {
extern const Passes passes;
}
namespace avx2 {
extern const Passes passes;
}
namespace avx512 {
extern const Passes passes;
}

/// Pixels lie one after the other, so a tensor may be seen as rows of several pixels, wide enough for whole
/// vectors: how many values such a row has. A table repeats its channels to this width; what is left of a
/// tensor is one short row, which the beginning of a table fits.
std::size_t folded_width(std::size_t channels);

/// Those of base::selected_isa().
const Passes& passes();

}  // namespace bitsmith::trainer
