#include "experiments/pipeline/deployed_accuracy.hpp"

#include <algorithm>

#include "trainer/training_loop.hpp"

namespace bitsmith::experiments {
namespace {

int best_class(const trainer::Tensor& logits, int image) {
  const float* first = logits.sample(image);
  return static_cast<int>(std::max_element(first, first + logits.shape().elements()) - first);
}

}  // namespace

DeployedAccuracy test_deployed(trainer::Network& simulated, trainer::IntegerNetwork& deployed,
                               trainer::BatchSource& images) {
  trainer::Tensor logits;
  std::int64_t same = 0;
  const auto run_both = [&](const trainer::Tensor& batch) -> const trainer::Tensor& {
    deployed.run_all(batch, logits);
    const trainer::Tensor& reference = simulated.forward(batch, trainer::Mode::evaluate);
    for (int n = 0; n < batch.batch(); ++n) same += best_class(reference, n) == best_class(logits, n);
    return logits;
  };
  const trainer::EvaluationResult result = trainer::evaluate_logits(images, run_both);
  return {result.accuracy, static_cast<double>(same) / static_cast<double>(result.images), result.images};
}

}  // namespace bitsmith::experiments
