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

}  // namespace

Schedule::Schedule(const TrainOptions& options, std::int64_t batches_per_epoch, std::int64_t total_steps)
    : kind_(options.schedule),
      base_(options.learning_rate),
      factor_(options.step_factor),
      warmup_(to_steps(options.warmup_epochs, batches_per_epoch)),
      total_(total_steps) {
  if (!(options.warmup_epochs >= 0.0))
    throw base::UserError(fmt::format("warmup_epochs: got {}, allowed is 0 and more", options.warmup_epochs));
  if (!std::ranges::is_sorted(options.step_epochs) ||
      std::ranges::any_of(options.step_epochs, [](double epoch) { return !(epoch >= 0.0); }))
    throw base::UserError("step_epochs: allowed are numbers of 0 and more in ascending order");
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
      return base_ * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    }
  }
  throw base::InternalError("Schedule: unknown kind");
}

std::int64_t total_steps(const TrainOptions& options, std::int64_t batches_per_epoch) {
  if (!(options.epochs >= 0.0 && options.epochs < 1e9))
    throw base::UserError(fmt::format("epochs: got {}, allowed is 0 and more", options.epochs));
  if (options.epochs == 0.0) return 0;
  return std::max<std::int64_t>(1, to_steps(options.epochs, batches_per_epoch));
}

}  // namespace bitsmith::trainer
