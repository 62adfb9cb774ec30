#include "trainer/loss.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

void check(const Tensor& logits, std::span<const int> labels) {
  base::require(static_cast<std::size_t>(logits.batch()) == labels.size(), "loss: as many labels as logits");
  const int classes = static_cast<int>(logits.shape().elements());
  for (int label : labels)
    if (label < 0 || label >= classes)
      throw base::UserError(fmt::format("label {}: the network knows classes 0 to {}", label, classes - 1));
}

}  // namespace

double softmax_cross_entropy(const Tensor& logits, std::span<const int> labels, double label_smoothing,
                             Tensor* gradient) {
  return softmax_cross_entropy(logits, MixedLabels{labels, {}, 1.0}, label_smoothing, gradient);
}

double softmax_cross_entropy(const Tensor& logits, const MixedLabels& labels, double label_smoothing,
                             Tensor* gradient) {
  check(logits, labels.first);
  const bool mixed = !labels.second.empty();
  if (mixed) check(logits, labels.second);
  const auto classes = static_cast<int>(logits.shape().elements());
  const int batch = logits.batch();
  if (gradient != nullptr) gradient->resize(batch, logits.shape());
  const double elsewhere = label_smoothing / classes;
  double total = 0.0;
  for (int n = 0; n < batch; ++n) {
    const float* z = logits.sample(n);
    const double highest = static_cast<double>(*std::max_element(z, z + classes));
    double sum = 0.0;
    for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(z[c]) - highest);
    const double log_sum = highest + std::log(sum);
    const int first = labels.first[static_cast<std::size_t>(n)];
    const int second = mixed ? labels.second[static_cast<std::size_t>(n)] : first;
    for (int c = 0; c < classes; ++c) {
      double target = elsewhere;
      if (c == first) target += (1.0 - label_smoothing) * (mixed ? labels.share : 1.0);
      if (mixed && c == second) target += (1.0 - label_smoothing) * (1.0 - labels.share);
      const double log_p = static_cast<double>(z[c]) - log_sum;
      if (target != 0.0) total -= target * log_p;
      if (gradient != nullptr)
        gradient->sample(n)[c] = static_cast<float>((std::exp(log_p) - target) / batch);
    }
  }
  return total / batch;
}

int count_correct(const Tensor& logits, std::span<const int> labels) {
  check(logits, labels);
  const auto classes = static_cast<int>(logits.shape().elements());
  int correct = 0;
  for (int n = 0; n < logits.batch(); ++n) {
    const float* z = logits.sample(n);
    correct += static_cast<int>(std::max_element(z, z + classes) - z) == labels[static_cast<std::size_t>(n)];
  }
  return correct;
}

double count_correct(const Tensor& logits, const MixedLabels& labels) {
  const double first = count_correct(logits, labels.first);
  if (labels.second.empty()) return first;
  return labels.share * first + (1.0 - labels.share) * count_correct(logits, labels.second);
}

}  // namespace bitsmith::trainer
