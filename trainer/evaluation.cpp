#include "trainer/evaluation.hpp"

#include <fmt/format.h>

#include <vector>

#include "quant/base/error.hpp"
#include "trainer/integer_evaluation.hpp"
#include "trainer/loss.hpp"

namespace bitsmith::trainer {

void check_source(const Network& network, const BatchSource& source) {
  const quant::Shape &wanted = network.info().nodes.front().output, got = source.shape();
  if (got != wanted)
    throw base::UserError(fmt::format("the data's images are {}x{}x{}, but network '{}' takes {}x{}x{}",
                                      got.channels, got.height, got.width, network.info().name,
                                      wanted.channels, wanted.height, wanted.width));
  const auto classes = network.info().nodes.back().output.elements();
  if (source.classes() > classes)
    throw base::UserError(fmt::format("the data has {} classes, but network '{}' gives {} outputs",
                                      source.classes(), network.info().name, classes));
}

EvaluationResult evaluate_logits(BatchSource& source,
                                 const std::function<const Tensor&(const Tensor& images)>& logits_of) {
  Tensor images;
  std::vector<int> labels;
  EvaluationResult result;
  std::int64_t correct = 0;
  double loss = 0.0;
  for (std::int64_t batch = 0; batch < source.batches_per_epoch(); ++batch) {
    source.fill(batch, images, labels);
    const Tensor& logits = logits_of(images);
    loss += softmax_cross_entropy(logits, labels, 0.0, nullptr) * images.batch();
    correct += count_correct(logits, labels);
    result.images += images.batch();
  }
  if (result.images == 0) throw base::UserError("there are no images to evaluate on");
  result.accuracy = static_cast<double>(correct) / static_cast<double>(result.images);
  result.cross_entropy = loss / static_cast<double>(result.images);
  return result;
}

EvaluationResult evaluate(Network& network, BatchSource& source) {
  check_source(network, source);
  if (IntegerEvaluation::serves(network)) {
    IntegerEvaluation integers(network);
    return evaluate_logits(source,
                           [&](const Tensor& images) -> const Tensor& { return integers.logits(images); });
  }
  return evaluate_logits(
      source, [&](const Tensor& images) -> const Tensor& { return network.forward(images, Mode::evaluate); });
}

}  // namespace bitsmith::trainer
