#include "trainer/training/distillation.hpp"

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

// log(sum(exp(z / temperature))).
double log_sum(const float* z, int classes, double temperature) {
  const double highest = static_cast<double>(*std::max_element(z, z + classes)) / temperature;
  double sum = 0.0;
  for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(z[c]) / temperature - highest);
  return highest + std::log(sum);
}

}  // namespace

double distill(const Tensor& student, const Tensor& teacher, double weight, double temperature,
               double label_loss, Tensor& gradient) {
  base::require(student.batch() == teacher.batch() && student.elements() == teacher.elements() &&
                    student.elements() == gradient.elements(),
                "distill: logits of different sizes");
  const auto classes = static_cast<int>(student.shape().elements());
  const int batch = student.batch();
  double divergence = 0.0;
  for (int n = 0; n < batch; ++n) {
    const float *s = student.sample(n), *t = teacher.sample(n);
    float* const g = gradient.sample(n);
    const double log_s = log_sum(s, classes, temperature), log_t = log_sum(t, classes, temperature);
    for (int c = 0; c < classes; ++c) {
      const double log_p = static_cast<double>(s[c]) / temperature - log_s;
      const double log_q = static_cast<double>(t[c]) / temperature - log_t;
      const double p = std::exp(log_p), q = std::exp(log_q);
      if (q > 0.0) divergence += q * (log_q - log_p);
      g[c] = static_cast<float>((1.0 - weight) * static_cast<double>(g[c]) +
                                weight * temperature * (p - q) / batch);
    }
  }
  return weight * temperature * temperature * divergence / batch + (1.0 - weight) * label_loss;
}

}  // namespace bitsmith::trainer
