#pragma once

#include <cstdint>

#include "quant/quantizer.hpp"
#include "trainer/layer_quantization.hpp"

namespace bitsmith::trainer {

/// A layer's input -> what its forward multiplies. Integers at a fixed scale, or at one that each image
/// brings with it. `(reserve prepare (fake_quantize | quantize)* (backward* finish_backward)?)*`; parts with
/// different indices may call fake_quantize, quantize and backward at the same time.
class ActivationQuantizer {
 public:
  /// Makes ready for parts 0..parts-1.
  void reserve(int parts);
  /// Before a pass.
  void prepare(const LayerQuantization& quantization);

  bool quantizes() const { return quantizes_; }
  /// Whether the quantized input is scale() times the integers of quantize(): the scale is known beforehand.
  bool gives_integers() const { return quantizes_ && !dynamic_; }
  float scale() const { return scale_; }
  bool is_signed() const { return range_.low < 0; }

  /// `samples` images of `elements` values. y may be x.
  void fake_quantize(const float* x, int samples, std::int64_t elements, float* y) const;
  /// Only where gives_integers(): `n` integers, s8 where is_signed(), else u8.
  void quantize(const float* x, std::int64_t n, void* integers) const;
  /// In: the gradient with respect to the quantized input, in `dx`. Out: with respect to x (straight-through:
  /// zero where the rounded integer is out of range). A part may come in several pieces, always in the same
  /// order; `first` is true for the first of a pass.
  void backward(int part, bool first, const float* x, int samples, std::int64_t elements, float* dx);
  /// After all parts of a pass have gone backward.
  void finish_backward(int parts);

 private:
  bool quantizes_ = false, dynamic_ = false;
  float scale_ = 1.0f;
  quant::IntegerRange range_{};
};

}  // namespace bitsmith::trainer
