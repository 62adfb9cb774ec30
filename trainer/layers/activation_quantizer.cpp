#include "trainer/layers/activation_quantizer.hpp"

#include "quant/fake_quantize.hpp"

namespace bitsmith::trainer {

void ActivationQuantizer::reserve(int /*parts*/) {}

void ActivationQuantizer::prepare(const LayerQuantization& quantization) {
  quantizes_ = quantization.quantizes_activations();
  if (!quantizes_) return;
  dynamic_ = quantization.activation_dynamic;
  scale_ = quantization.activation_scale;
  range_ = quant::integer_range(quantization.activation_bits, quantization.activation_signed);
}

void ActivationQuantizer::fake_quantize(const float* x, int samples, std::int64_t elements, float* y) const {
  if (!dynamic_) {
    quant::fake_quantize(x, samples * elements, scale_, range_.low, range_.high, y);
    return;
  }
  for (std::int64_t i = 0; i < samples * elements; i += elements)
    quant::fake_quantize(x + i, elements, quant::dynamic_scale(x + i, elements, range_), range_.low,
                         range_.high, y + i);
}

void ActivationQuantizer::quantize(const float* x, std::int64_t n, void* integers) const {
  if (is_signed())
    quant::quantize_s8(x, n, scale_, range_.low, range_.high, static_cast<std::int8_t*>(integers));
  else
    quant::quantize_u8(x, n, scale_, range_.low, range_.high, static_cast<std::uint8_t*>(integers));
}

void ActivationQuantizer::backward(int /*part*/, bool /*first*/, const float* x, int samples,
                                   std::int64_t elements, float* dx) {
  // A scale that an image brings with it clips nothing.
  if (dynamic_) return;
  quant::fake_quantize_backward(x, samples * elements, scale_, range_.low, range_.high, dx, dx);
}

void ActivationQuantizer::finish_backward(int /*parts*/) {}

}  // namespace bitsmith::trainer
