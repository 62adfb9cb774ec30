#include "trainer/training_loop.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/loss.hpp"
#include "trainer/prefetching_source.hpp"
#include "trainer/schedule.hpp"
#include "trainer/training/distillation.hpp"
#include "trainer/training/gradient_norm.hpp"
#include "trainer/training/mixup.hpp"

namespace bitsmith::trainer {
namespace {

void check_options(const TrainOptions& options, const TrainHooks& hooks) {
  const auto refuse = [](const char* key, double value, const char* allowed) {
    throw base::UserError(fmt::format("{}: got {}, allowed is {}", key, value, allowed));
  };
  if (!(options.ema >= 0.0 && options.ema < 1.0)) refuse("ema", options.ema, "0 <= value < 1");
  if (!(options.clip_norm >= 0.0)) refuse("clip_norm", options.clip_norm, "0 and more");
  if (!(options.rollback_factor >= 0.0 && options.rollback_factor < 1.0))
    refuse("rollback_factor", options.rollback_factor, "0 <= value < 1");
  if (!(options.distillation >= 0.0 && options.distillation <= 1.0))
    refuse("distillation", options.distillation, "0 to 1");
  if (!(options.distillation_temperature > 0.0))
    refuse("distillation_temperature", options.distillation_temperature, "more than 0");
  if (options.distillation > 0.0 && hooks.teacher == nullptr)
    throw base::UserError("distillation: there is no teacher; it is for the fine-tune of a trained network");
  if (options.early_stopping > 0 && !hooks.validate)
    throw base::UserError("early_stopping: there are no validation images to judge the training by");
}

class Training {
 public:
  Training(Network& network, BatchSource& source, const TrainOptions& options, const TrainHooks& hooks,
           TrainState&& start)
      : network_(network),
        options_(options),
        hooks_(hooks),
        state_(std::move(start)),
        per_epoch_(source.batches_per_epoch()),
        classes_(network.info().nodes.back().output.elements()),
        schedule_(options, per_epoch_, total_steps(options, per_epoch_)),
        optimizer_(make_optimizer(options)),
        mixup_(options.mixup, source.seed()) {
    state_.total = total_steps(options, per_epoch_);
    state_.trace.points.reserve(LossTrace::kMaxPoints);
    optimizer_->restore(std::move(state_.optimizer));
    batches_ = prefetched(source, state_.total);
  }

  TrainState run() {
    while (!state_.finished && state_.step < state_.total) {
      if (hooks_.before_step) hooks_.before_step(state_.step);
      remember_epoch_start();
      if (const auto problem = make_step()) {
        roll_back(*problem);
        continue;
      }
      if (state_.step % per_epoch_ == 0 || state_.step == state_.total)
        end_epoch();
      else if (options_.checkpoint_steps > 0 && state_.step % options_.checkpoint_steps == 0)
        save();
    }
    state_.optimizer = optimizer_->state();
    return std::move(state_);
  }

 private:
  double rate() const { return schedule_.rate(state_.step) * state_.rate_factor; }

  /// One optimiser step; or else what diverged in it.
  std::optional<std::string> make_step() {
    batches_->fill(state_.step, images_, labels_);
    const Tensor& images = mixup_.mix(images_, labels_, state_.step);
    const Tensor& logits = network_.forward(images, Mode::train);
    const double loss = loss_of(images, logits);
    if (!std::isfinite(loss)) return diverged(fmt::format("the loss is {}", loss), images, false);
    if (!all_finite(network_.buffers())) return diverged("statistics are not finite", images, false);
    const double correct = count_correct(logits, mixup_.labels());

    network_.backward(gradient_);
    const double norm = gradient_norm(network_.parameters());
    if (!std::isfinite(norm)) return diverged("a gradient is not finite", images, true);
    clip_gradients(network_.parameters(), norm, options_.clip_norm);
    optimizer_->step(network_.parameters(), rate());
    network_.project_learned_numbers();
    if (!all_finite(network_.parameters())) return diverged("a weight is not finite", images, true);
    const double best = state_.watch.best;
    if (explodes(state_.watch, loss, classes_))
      return diverged(
          fmt::format("the loss explodes: {:.3g} on average, {:.3g} at best", smoothed(state_.watch), best),
          images, true);
    if (options_.ema > 0.0) update_average(state_.average, network_, options_.ema);
    count_step(loss, correct, images.batch());
    return std::nullopt;
  }

  /// Of what training minimises; leaves its gradient with respect to the logits in gradient_.
  double loss_of(const Tensor& images, const Tensor& logits) {
    const double label_loss =
        softmax_cross_entropy(logits, mixup_.labels(), options_.label_smoothing, &gradient_);
    if (options_.distillation == 0.0 || !std::isfinite(label_loss)) return label_loss;
    return distill(logits, hooks_.teacher->forward(images, Mode::evaluate), options_.distillation,
                   options_.distillation_temperature, label_loss, gradient_);
  }

  void count_step(double loss, double correct, int images) {
    last_rate_ = rate();
    ++state_.step;
    state_.sums.loss += loss;
    state_.sums.correct += correct;
    state_.sums.images += images;
    ++state_.sums.steps;
    state_.trace.add(loss);
    if (hooks_.after_step) hooks_.after_step(state_.step, loss);
  }

  void end_epoch() {
    const auto per_epoch = static_cast<double>(per_epoch_);
    state_.epoch = static_cast<double>(state_.step) / per_epoch;
    state_.loss = state_.sums.loss / static_cast<double>(state_.sums.steps);
    EpochRecord record{state_.epoch, last_rate_, state_.loss,
                       state_.sums.correct / static_cast<double>(state_.sums.images)};
    state_.sums = {};
    state_.last_good.step = -1;
    if (hooks_.validate) judge(record);
    state_.curve.push_back(record);
    if (should_stop(state_.stopping, options_)) note_stop();
    state_.finished = state_.step == state_.total || should_stop(state_.stopping, options_);
    if (state_.finished) keep_result();
    if (hooks_.progress)
      hooks_.progress("epoch", state_.epoch, static_cast<double>(state_.total) / per_epoch,
                      fmt::format("loss {:.4f}", state_.loss));
    if (hooks_.after_epoch) {
      state_.optimizer = optimizer_->state();
      hooks_.after_epoch(state_);
    }
    save();
  }

  void judge(EpochRecord& record) {
    const AveragedNetwork averaged(network_, state_.average);
    const EvaluationResult result = hooks_.validate();
    record.validation_accuracy = result.accuracy;
    record.validation_loss = result.cross_entropy;
    if (!improves(state_.stopping, result, state_.epoch, options_)) return;
    if (options_.early_stopping > 0) copy_numbers(network_, state_.best);
    if (hooks_.after_best) hooks_.after_best(state_);
  }

  /// The weights that training ends with.
  void keep_result() {
    if (!state_.best.empty())
      put_numbers(state_.best, network_);
    else if (!state_.average.numbers.empty())
      put_numbers(state_.average.numbers, network_);
    state_.best = {};
    state_.average = {};
    state_.last_good = {};
  }

  void save() {
    if (!hooks_.save) return;
    state_.optimizer = optimizer_->state();
    hooks_.save(state_);
  }

  void remember_epoch_start() {
    LastGood& good = state_.last_good;
    if (options_.rollback_factor == 0.0) return;
    // Another quantization may have other learned numbers.
    if (good.step >= 0 && fits(good.numbers, network_)) return;
    good.step = state_.step;
    copy_numbers(network_, good.numbers);
    good.optimizer = optimizer_->state();
    good.average = state_.average;
    good.trace = state_.trace;
  }

  std::string diverged(const std::string& what, const Tensor& images, bool backward) {
    const std::string where = first_not_finite(network_, images, backward);
    bad_image_ = where.starts_with("image ");
    return fmt::format("training diverged at step {} (learning rate {:.3g}): {}; {} {}", state_.step, rate(),
                       what, where.empty() ? "the largest weights are in" : "the first thing not finite is",
                       where.empty() ? largest_parameter(network_) : where);
  }

  void roll_back(const std::string& problem) {
    if (bad_image_) throw base::UserError(problem + ": no training can use it; repair the data");
    if (options_.rollback_factor == 0.0 || state_.rollbacks > 0)
      throw base::UserError(fmt::format("{}{}: lower learning_rate, raise warmup_epochs, or set clip_norm",
                                        problem,
                                        state_.rollbacks > 0 ? ", again after going back once" : ""));
    const LastGood& good = state_.last_good;
    put_numbers(good.numbers, network_);
    optimizer_->restore(good.optimizer);
    state_.step = good.step;
    state_.average = good.average;
    state_.trace = good.trace;
    state_.sums = {};
    state_.watch = {};
    state_.rate_factor *= options_.rollback_factor;
    ++state_.rollbacks;
    if (hooks_.note)
      hooks_.note(fmt::format("{}: going back to step {} with the learning rate times {}", problem, good.step,
                              options_.rollback_factor));
  }

  void note_stop() const {
    if (hooks_.note)
      hooks_.note(fmt::format("training ends early, after epoch {:.4g}: none was better than epoch {:.4g}",
                              state_.epoch, state_.stopping.best_epoch));
  }

  Network& network_;
  const TrainOptions& options_;
  const TrainHooks& hooks_;
  TrainState state_;
  std::int64_t per_epoch_, classes_;
  Schedule schedule_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<BatchSource> batches_;
  Mixup mixup_;
  Tensor images_, gradient_;
  std::vector<int> labels_;
  double last_rate_ = 0.0;
  bool bad_image_ = false;  ///< what diverged last is the data's fault
};

}  // namespace

TrainState train(Network& network, BatchSource& source, const TrainOptions& options, const TrainHooks& hooks,
                 TrainState start) {
  check_source(network, source);
  check_options(options, hooks);
  network.set_shards(options.shards);
  network.set_arithmetic(options.arithmetic);
  return Training(network, source, options, hooks, std::move(start)).run();
}

}  // namespace bitsmith::trainer
