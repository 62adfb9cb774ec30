#pragma once

#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Knowledge distillation (Hinton, Vinyals, Dean 2015): `weight` * T^2 * KL(softmax(teacher / T) ||
/// softmax(student / T)) + (1 - weight) * `label_loss`, means over the batch; the factor T^2 keeps the
/// gradient's size whatever the temperature. On entry `gradient` is that of `label_loss` with respect to the
/// student's logits, on return that of the whole. Stable for any finite logits.
double distill(const Tensor& student, const Tensor& teacher, double weight, double temperature,
               double label_loss, Tensor& gradient);

}  // namespace bitsmith::trainer
