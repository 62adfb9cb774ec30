#include "trainer/layers/weight_quantizer.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"

namespace bitsmith::trainer {
namespace {

void check_finite(const Parameter* parameter) {
  if (parameter == nullptr) return;
  if (!std::isfinite(quant::max_abs(parameter->value.data(), std::ssize(parameter->value))))
    throw base::UserError(
        fmt::format("{} is not finite any more: train with a lower learning rate", parameter->name));
}

}  // namespace

void WeightQuantizer::update(const Parameter& weight, const LayerQuantization& quantization) {
  const LearnedQuantization& learned = quantization.learned;
  const Parameter* const numbers[] = {&weight,
                                      learned.weight_step,
                                      learned.weight_positive,
                                      learned.weight_negative,
                                      learned.weight_second,
                                      learned.weight_centroids,
                                      learned.gamma};
  for (const Parameter* parameter : numbers) check_finite(parameter);
  weight_method_code(quantization.weight_method).update(weight, quantization, state_);
}

void WeightQuantizer::backward(Parameter& weight, const LayerQuantization& quantization) const {
  weight_method_code(quantization.weight_method).backward(weight, quantization, state_);
}

}  // namespace bitsmith::trainer
