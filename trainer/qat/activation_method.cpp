#include "trainer/qat/activation_method.hpp"

#include <algorithm>

namespace bitsmith::trainer {
namespace {

using quant::ActivationMethod;

quant::IntegerRange range_of(const LayerQuantization& q) {
  return quant::integer_range(q.activation_bits, q.activation_signed);
}

}  // namespace

float input_scale(const LayerQuantization& q) {
  const LearnedQuantization& learned = q.learned;
  if (learned.input_step != nullptr) return std::max(learned.input_step->value[0], kLeastStep);
  if (learned.input_clip != nullptr)
    return quant::scale_of_threshold(std::max(learned.input_clip->value[0], kLeastStep), range_of(q));
  if (learned.input_range != nullptr)
    return quant::scale_of_threshold(learned.input_range->value[0], range_of(q));
  if (!q.quantizes_activations()) return q.activation_scale;
  if (q.activation_method == ActivationMethod::dorefa) return quant::scale_of_threshold(1, range_of(q));
  if (q.activation_method == ActivationMethod::binary) return 1;
  return q.activation_scale;
}

bool runs_on_integers(const LayerQuantization& q) {
  if (!q.quantizes_activations()) return true;
  const bool signs = q.activation_method == ActivationMethod::binary && q.activation_signed;
  return q.activation_method != ActivationMethod::lsq_plus && !signs;
}

std::vector<LearnedParameter> input_parameters(const LayerQuantization& q) {
  if (!q.quantizes_activations()) return {};
  const float step = q.activation_scale, clip = step * static_cast<float>(range_of(q).high);
  const auto one = [](float value) { return [value] { return std::vector<float>{value}; }; };
  switch (q.activation_method) {
    case ActivationMethod::pact:
      return {{"input_clip", &LearnedQuantization::input_clip, {1}, true, one(clip)}};
    case ActivationMethod::lsq:
      return {{"input_step", &LearnedQuantization::input_step, {1}, false, one(step)}};
    case ActivationMethod::lsq_plus:
      return {{"input_step", &LearnedQuantization::input_step, {1}, false, one(step)},
              {"input_offset", &LearnedQuantization::input_offset, {1}, false, one(0)}};
    default:
      return {};
  }
}

std::vector<LearnedBuffer> input_buffers(const LayerQuantization& q) {
  if (!q.quantizes_activations() || !q.observes_input) return {};
  const float range = q.activation_scale * static_cast<float>(range_of(q).high);
  return {{"input_range", &LearnedQuantization::input_range, [range] { return std::vector<float>{range}; }}};
}

}  // namespace bitsmith::trainer
