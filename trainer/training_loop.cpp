#include "trainer/training_loop.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/error.hpp"
#include "trainer/integer_evaluation.hpp"
#include "trainer/loss.hpp"
#include "trainer/schedule.hpp"

namespace bitsmith::trainer {
namespace {

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

void check_loss(double loss, std::int64_t step, double rate) {
  if (std::isfinite(loss)) return;
  throw base::UserError(fmt::format(
      "training diverged: the loss is {} at step {} (learning rate {:.3g}): lower learning_rate, or raise "
      "warmup_epochs",
      loss, step, rate));
}

}  // namespace

TrainState train(Network& network, BatchSource& source, const TrainOptions& options, const TrainHooks& hooks,
                 TrainState state) {
  check_source(network, source);
  network.set_shards(options.shards);
  network.set_arithmetic(options.arithmetic);
  const std::int64_t per_epoch = source.batches_per_epoch();
  state.total = total_steps(options, per_epoch);
  const Schedule schedule(options, per_epoch, state.total);
  const auto optimizer = make_optimizer(options);
  optimizer->restore(std::move(state.optimizer));

  Tensor images, logits_gradient;
  std::vector<int> labels;
  double loss_sum = 0.0;
  std::int64_t summed = 0;
  while (state.step < state.total) {
    const double rate = schedule.rate(state.step);
    source.fill(state.step, images, labels);
    const Tensor& logits = network.forward(images, Mode::train);
    const double loss = softmax_cross_entropy(logits, labels, options.label_smoothing, &logits_gradient);
    check_loss(loss, state.step, rate);
    network.backward(logits_gradient);
    optimizer->step(network.parameters(), rate);

    ++state.step;
    loss_sum += loss;
    ++summed;
    if (hooks.after_step) hooks.after_step(state.step, loss);
    if (state.step % per_epoch != 0 && state.step != state.total) continue;
    state.epoch = static_cast<double>(state.step) / static_cast<double>(per_epoch);
    state.loss = loss_sum / static_cast<double>(summed);
    loss_sum = 0.0;
    summed = 0;
    if (hooks.progress)
      hooks.progress("epoch", state.epoch, static_cast<double>(state.total) / static_cast<double>(per_epoch),
                     fmt::format("loss {:.4f}", state.loss));
    if (hooks.after_epoch) {
      state.optimizer = optimizer->state();
      hooks.after_epoch(state);
    }
  }
  state.optimizer = optimizer->state();
  return state;
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
