#pragma once

#include <cstdint>
#include <functional>

#include "trainer/batch_source.hpp"
#include "trainer/network.hpp"

namespace bitsmith::trainer {

struct EvaluationResult {
  double accuracy = 0.0;       ///< share of right answers, 0..1
  double cross_entropy = 0.0;  ///< mean, natural logarithm
  std::int64_t images = 0;
};

/// One pass over the source: `logits_of` gives the logits of each batch, alive until its next call. Throws
/// UserError if there are no images.
EvaluationResult evaluate_logits(BatchSource& source,
                                 const std::function<const Tensor&(const Tensor& images)>& logits_of);

/// One pass over the source in evaluate mode. Throws UserError if its images or classes do not fit.
EvaluationResult evaluate(Network& network, BatchSource& source);

/// Throws UserError unless the source's images and classes are such as the network takes.
void check_source(const Network& network, const BatchSource& source);

}  // namespace bitsmith::trainer
