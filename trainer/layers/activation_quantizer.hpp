#pragma once

#include <cstdint>
#include <vector>

#include "quant/quantizer.hpp"
#include "trainer/layer_quantization.hpp"

namespace bitsmith::trainer {

/// A layer's input -> what its forward multiplies, and gradients back, as
/// LayerQuantization::activation_method says (trainer/qat/README.md). `(reserve prepare (fake_quantize |
/// quantize)* (backward* finish_backward)?)*`; parts with different indices may call fake_quantize, quantize
/// and backward at the same time.
class ActivationQuantizer {
 public:
  /// Makes ready for parts 0..parts-1.
  void reserve(int parts);
  /// Before a pass. Throws UserError where a learned number is not finite (names it).
  void prepare(const LayerQuantization& quantization);

  bool quantizes() const { return quantizes_; }
  /// Whether the quantized input is scale() times the integers of quantize(): the scale is known beforehand,
  /// and there is no offset.
  bool gives_integers() const { return quantizes_ && !dynamic_ && learned_.input_offset == nullptr; }
  float scale() const { return scale_; }
  bool is_signed() const { return range_.low < 0; }

  /// `samples` images of `elements` values. y may be x.
  void fake_quantize(const float* x, int samples, std::int64_t elements, float* y) const;
  /// Only where gives_integers(): `n` integers, s8 where is_signed(), else u8.
  void quantize(const float* x, std::int64_t n, void* integers) const;
  /// In: the gradient with respect to the quantized input, in `dx`. Out: with respect to x. A part may come
  /// in several pieces, always in the same order; `first` is true for the first of a pass.
  void backward(int part, bool first, const float* x, int samples, std::int64_t elements, float* dx);
  /// After all parts of a pass have gone backward: what the layer adds to the gradients of learned numbers,
  /// summed over the parts in order; a range that is observed moves.
  void finish_backward(int parts);

 private:
  struct Sums {
    double size = 0, offset = 0;  ///< of gradients
    double largest = 0;           ///< of what is observed
    std::int64_t elements = 0;    ///< of a sample
  };

  float low() const { return static_cast<float>(range_.low); }
  float high() const { return static_cast<float>(range_.high); }
  bool signs() const { return method_ == quant::ActivationMethod::binary && is_signed(); }

  bool quantizes_ = false, dynamic_ = false, observing_ = false;
  quant::ActivationMethod method_ = quant::ActivationMethod::straight_through;
  float scale_ = 1.0f, offset_ = 0.0f;
  quant::IntegerRange range_{};
  LearnedQuantization learned_;
  std::vector<Sums> sums_;  ///< per part
};

}  // namespace bitsmith::trainer
