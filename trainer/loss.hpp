#pragma once

#include <span>

#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Labels of a batch, or pairs of them: `share` of `first` and the rest of `second`, which is empty where
/// `share` is 1.
struct MixedLabels {
  std::span<const int> first, second;
  double share = 1.0;
};

/// Softmax cross-entropy, mean over the batch, natural logarithm. With label smoothing e the target is 1-e on
/// the label plus e/classes everywhere (Szegedy et al. 2016). Stable for any finite logits. Writes the
/// gradient with respect to the logits unless it is nullptr. Throws UserError for a label outside
/// 0..classes-1.
double softmax_cross_entropy(const Tensor& logits, std::span<const int> labels, double label_smoothing,
                             Tensor* gradient);
/// The same of mixed labels: share * that of `first` + (1 - share) * that of `second`.
double softmax_cross_entropy(const Tensor& logits, const MixedLabels& labels, double label_smoothing,
                             Tensor* gradient);

/// How many labels have the (first) largest logit.
int count_correct(const Tensor& logits, std::span<const int> labels);
/// Likewise, each answer counting by its share.
double count_correct(const Tensor& logits, const MixedLabels& labels);

}  // namespace bitsmith::trainer
