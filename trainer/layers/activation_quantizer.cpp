#include "trainer/layers/activation_quantizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "trainer/kernels/quantizer_passes.hpp"
#include "trainer/qat/activation_method.hpp"

namespace bitsmith::trainer {
namespace {

using quant::ActivationMethod;

/// How far an observed range moves towards a batch's (PyTorch's MovingAverageMinMaxObserver).
constexpr double kObserverRate = 0.01;

/// The nearest float below and above: bounds that clip_backward leaves out.
float below(float x) { return std::nextafter(x, -INFINITY); }
float above(float x) { return std::nextafter(x, INFINITY); }

}  // namespace

void ActivationQuantizer::reserve(int parts) {
  if (sums_.size() < static_cast<std::size_t>(parts)) sums_.resize(static_cast<std::size_t>(parts));
}

void ActivationQuantizer::prepare(const LayerQuantization& quantization) {
  quantizes_ = quantization.quantizes_activations();
  if (!quantizes_) return;
  dynamic_ = quantization.activation_dynamic;
  observing_ = quantization.observing;
  method_ = quantization.activation_method;
  learned_ = quantization.learned;
  for (const Parameter* number : {learned_.input_step, learned_.input_clip, learned_.input_offset})
    if (number != nullptr && !std::isfinite(number->value[0]))
      throw base::UserError(
          fmt::format("{} is not finite any more: train with a lower learning rate", number->name));
  scale_ = input_scale(quantization);
  offset_ = learned_.input_offset != nullptr ? learned_.input_offset->value[0] : 0.0f;
  range_ = quant::integer_range(quantization.activation_bits, quantization.activation_signed);
}

void ActivationQuantizer::fake_quantize(const float* x, int samples, std::int64_t elements, float* y) const {
  const std::int64_t n = samples * elements;
  if (dynamic_) {
    for (std::int64_t i = 0; i < n; i += elements)
      quant::fake_quantize(x + i, elements, quant::dynamic_scale(x + i, elements, range_), range_.low,
                           range_.high, y + i);
  } else if (signs()) {
    quantizer_passes().two_levels(x, n, 0.0f, -1.0f, 1.0f, y);
  } else if (learned_.input_offset != nullptr) {
    quantizer_passes().offset_quantize(x, n, scale_, offset_, low(), high(), y);
  } else {
    quant::fake_quantize(x, n, scale_, range_.low, range_.high, y);
  }
}

void ActivationQuantizer::quantize(const float* x, std::int64_t n, void* integers) const {
  if (signs()) {
    auto* levels = static_cast<std::int8_t*>(integers);
    for (std::int64_t i = 0; i < n; ++i) levels[i] = x[i] < 0 ? -1 : 1;
  } else if (is_signed()) {
    quant::quantize_s8(x, n, scale_, range_.low, range_.high, static_cast<std::int8_t*>(integers));
  } else {
    quant::quantize_u8(x, n, scale_, range_.low, range_.high, static_cast<std::uint8_t*>(integers));
  }
}

void ActivationQuantizer::backward(int part, bool first, const float* x, int samples, std::int64_t elements,
                                   float* dx) {
  // A scale that an image brings with it clips nothing.
  if (dynamic_) return;
  const std::int64_t n = samples * elements;
  Sums& sums = sums_[static_cast<std::size_t>(part)];
  if (first) sums = {};
  sums.elements = elements;
  if (observing_) {
    const quant::MinMax seen = quant::min_max(x, n);
    const float largest = is_signed() ? std::max(-seen.min, seen.max) : seen.max;
    sums.largest = std::max(sums.largest, static_cast<double>(largest));
  }
  double top = 0, bottom = 0;
  switch (method_) {
    case ActivationMethod::lsq:
    case ActivationMethod::lsq_plus:
      quantizer_passes().step_backward(x, n, scale_, offset_, low(), high(), dx, &sums.size, &sums.offset);
      return;
    case ActivationMethod::pact: {
      const float clip = std::max(learned_.input_clip->value[0], kLeastStep);
      quantizer_passes().clip_backward(x, n, is_signed() ? -clip : 0.0f, clip, dx, &top, &bottom);
      sums.size += is_signed() ? top - bottom : top;
      return;
    }
    case ActivationMethod::dorefa:
    case ActivationMethod::binary:
      quantizer_passes().clip_backward(x, n, below(is_signed() ? -1.0f : 0.0f), above(1.0f), dx, &top,
                                       &bottom);
      return;
    default:
      quant::fake_quantize_backward(x, n, scale_, range_.low, range_.high, dx, dx);
  }
}

void ActivationQuantizer::finish_backward(int parts) {
  if (!quantizes_ || dynamic_) return;
  Sums total;
  for (int p = 0; p < parts; ++p) {
    const Sums& sums = sums_[static_cast<std::size_t>(p)];
    total.size += sums.size;
    total.offset += sums.offset;
    total.largest = std::max(total.largest, sums.largest);
    total.elements = sums.elements;
  }
  if (observing_ && learned_.input_range != nullptr && total.elements > 0) {
    float& range = learned_.input_range->value[0];
    range = static_cast<float>(static_cast<double>(range) +
                               kObserverRate * (total.largest - static_cast<double>(range)));
  }
  if (learned_.input_gradient == nullptr) return;
  // LSQ's gradient scale; N is the number of features, of one image.
  const bool steps = learned_.input_step != nullptr && total.elements > 0;
  const double factor = steps ? 1.0 / std::sqrt(static_cast<double>(total.elements) * range_.high) : 1.0;
  *learned_.input_gradient = {factor * total.size, factor * total.offset};
}

}  // namespace bitsmith::trainer
