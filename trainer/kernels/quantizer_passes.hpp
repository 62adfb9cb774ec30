#pragma once

#include <cstdint>

namespace bitsmith::trainer {

/// The loops of quantizers whose numbers are learned, one set per instruction set. Plain pointers; nothing is
/// checked; no pointer needs alignment. With v = (x - offset) / scale, rounding is to nearest, ties to even;
/// NaN counts as 0. `d` comes in as the gradient with respect to the quantized values and goes out as that
/// with respect to x. Sums are added to, in double, in 16 interleaved parts: they do not depend on the
/// instruction set.
struct QuantizerPasses {
  /// y = round(clamp(v, low, high)) * scale + offset. y may be x.
  void (*offset_quantize)(const float* x, std::int64_t n, float scale, float offset, float low, float high,
                          float* y);
  /// d passes where low <= v <= high. step: of d * (round(v) - v) inside, d * low or d * high outside;
  /// shift: of d outside.
  void (*step_backward)(const float* x, std::int64_t n, float scale, float offset, float low, float high,
                        float* d, double* step, double* shift);
  /// d passes where low < x < high. above: of d where x >= high; below: of d where x <= low.
  void (*clip_backward)(const float* x, std::int64_t n, float low, float high, float* d, double* above,
                        double* below);
  /// y = x >= threshold ? high : low. y may be x.
  void (*two_levels)(const float* x, std::int64_t n, float threshold, float low, float high, float* y);
};

namespace scalar {
extern const QuantizerPasses quantizer_passes;
}
namespace avx2 {
extern const QuantizerPasses quantizer_passes;
}
namespace avx512 {
extern const QuantizerPasses quantizer_passes;
}

/// Those of base::selected_isa().
const QuantizerPasses& quantizer_passes();

}  // namespace bitsmith::trainer
