#include "trainer/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

std::int64_t to_steps(double epochs, std::int64_t batches_per_epoch) {
  return std::llround(epochs * static_cast<double>(batches_per_epoch));
}

/// From 1 at 0 to 0 at 1.
double half_cosine(double done) { return 0.5 * (1.0 + std::cos(std::numbers::pi * done)); }

}  // namespace

Schedule::Schedule(const TrainOptions& options, std::int64_t batches_per_epoch, std::int64_t total_steps)
    : kind_(options.schedule),
      base_(options.learning_rate),
      factor_(options.step_factor),
      period_(options.restart_epochs * static_cast<double>(batches_per_epoch)),
      period_factor_(options.restart_factor),
      warmup_(to_steps(options.warmup_epochs, batches_per_epoch)),
      total_(total_steps) {
  if (!(options.warmup_epochs >= 0.0))
    throw base::UserError(fmt::format("warmup_epochs: got {}, allowed is 0 and more", options.warmup_epochs));
  if (!std::ranges::is_sorted(options.step_epochs) ||
      std::ranges::any_of(options.step_epochs, [](double epoch) { return !(epoch >= 0.0); }))
    throw base::UserError("step_epochs: allowed are numbers of 0 and more in ascending order");
  if (!(options.restart_epochs > 0.0 && options.restart_factor >= 1.0))
    throw base::UserError(
        fmt::format("restart_epochs: {}, restart_factor: {}: allowed are more than 0, and 1 and more",
                    options.restart_epochs, options.restart_factor));
  period_ = std::max(1.0, std::round(period_));
  for (double epoch : options.step_epochs) drops_.push_back(to_steps(epoch, batches_per_epoch));
}

double Schedule::rate(std::int64_t step) const {
  if (step < warmup_) return base_ * static_cast<double>(step + 1) / static_cast<double>(warmup_);
  switch (kind_) {
    case ScheduleKind::constant:
      return base_;
    case ScheduleKind::step: {
      const auto passed = std::ranges::count_if(drops_, [step](std::int64_t drop) { return step >= drop; });
      return base_ * std::pow(factor_, static_cast<double>(passed));
    }
    case ScheduleKind::cosine: {
      const auto length = static_cast<double>(std::max<std::int64_t>(1, total_ - warmup_));
      const double done = std::min(1.0, static_cast<double>(step - warmup_) / length);
      return base_ * half_cosine(done);
    }
    case ScheduleKind::cosine_restarts:
      return base_ * restarting(static_cast<double>(step - warmup_));
  }
  throw base::InternalError("Schedule: unknown kind");
}

double Schedule::restarting(double steps) const {
  double period = period_;
  if (period_factor_ == 1.0) steps = std::fmod(steps, period);
  for (; steps >= period; period *= period_factor_) steps -= period;
  return half_cosine(steps / period);
}

std::int64_t total_steps(const TrainOptions& options, std::int64_t batches_per_epoch) {
  if (!(options.epochs >= 0.0 && options.epochs < 1e9))
    throw base::UserError(fmt::format("epochs: got {}, allowed is 0 and more", options.epochs));
  if (options.epochs == 0.0) return 0;
  return std::max<std::int64_t>(1, to_steps(options.epochs, batches_per_epoch));
}

}  // namespace bitsmith::trainer
