#include "trainer/buffer_plan.hpp"

#include <algorithm>
#include <limits>

namespace bitsmith::trainer {
namespace {

/// Slots that are taken and given back; a request takes the free slot that fits best, and lets it grow if
/// need be.
class Slots {
 public:
  explicit Slots(std::vector<std::int64_t>& elements) : elements_(elements) {}

  int take(std::int64_t wanted) {
    int best = -1;
    const auto misfit = [&](int s) {
      const std::int64_t size = elements_[static_cast<std::size_t>(s)];
      return size >= wanted ? size - wanted : 2 * (wanted - size);
    };
    for (std::size_t s = 0; s < elements_.size(); ++s)
      if (users_[s] == 0 && (best < 0 || misfit(static_cast<int>(s)) < misfit(best)))
        best = static_cast<int>(s);
    if (best < 0) {
      best = static_cast<int>(elements_.size());
      elements_.push_back(0);
      users_.push_back(0);
    }
    auto& size = elements_[static_cast<std::size_t>(best)];
    size = std::max(size, wanted);
    users_[static_cast<std::size_t>(best)] = 1;
    return best;
  }
  void share(int slot) { ++users_[static_cast<std::size_t>(slot)]; }
  void release(int slot) { --users_[static_cast<std::size_t>(slot)]; }
  int users(int slot) const { return users_[static_cast<std::size_t>(slot)]; }

 private:
  std::vector<std::int64_t>& elements_;
  std::vector<int> users_;
};

std::vector<std::size_t> last_uses(const std::vector<Operation>& operations,
                                   const std::vector<OperationTraits>& traits, bool for_backward) {
  constexpr auto kForever = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> last(operations.size(), 0);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    last[i] = std::max(last[i], for_backward && traits[i].keeps.output ? kForever : i);
    for (int from : operations[i].inputs) {
      if (from == Operation::kImages) continue;
      auto& use = last[static_cast<std::size_t>(from)];
      use = std::max(use, for_backward && traits[i].keeps.input ? kForever : i);
    }
  }
  return last;
}

}  // namespace

ForwardPlan plan_forward(const std::vector<Operation>& operations, const std::vector<OperationTraits>& traits,
                         bool for_backward) {
  ForwardPlan plan;
  plan.slot.assign(operations.size(), -1);
  Slots slots(plan.slot_elements);
  const auto last = last_uses(operations, traits, for_backward);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto& inputs = operations[i].inputs;
    const int first = inputs[0];
    const bool is_logits = i + 1 == operations.size();
    const bool in_place = !is_logits && traits[i].forward_in_place && first != Operation::kImages &&
                          last[static_cast<std::size_t>(first)] == i;
    if (in_place) {
      plan.slot[i] = plan.slot[static_cast<std::size_t>(first)];
      slots.share(plan.slot[i]);
    } else if (!is_logits) {
      plan.slot[i] = slots.take(operations[i].output.elements());
    }
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const bool again = k == 1 && inputs[1] == inputs[0];
      if (inputs[k] != Operation::kImages && !again && last[static_cast<std::size_t>(inputs[k])] == i)
        slots.release(plan.slot[static_cast<std::size_t>(inputs[k])]);
    }
  }
  return plan;
}

BackwardPlan plan_backward(const std::vector<Operation>& operations,
                           const std::vector<OperationTraits>& traits) {
  BackwardPlan plan;
  Slots slots(plan.slot_elements);
  std::vector<int> gradient(operations.size(), -1);  // slot of each output's gradient so far
  gradient.back() = plan.logits_slot = slots.take(operations.back().output.elements());

  for (std::size_t i = operations.size(); i-- > 0;) {
    const Operation& operation = operations[i];
    const GradientStyle style = traits[i].style;
    const int dy = gradient[i];
    BackwardStep step;
    step.operation = static_cast<int>(i);
    step.runs = style != GradientStyle::pass_through;
    step.dy = dy;
    const bool wanted =
        std::ranges::any_of(operation.inputs, [](int from) { return from != Operation::kImages; });
    // Adds the gradient in slot dx to what other readers of `from` gave before.
    const auto give = [&](int from, int dx) {
      if (from == Operation::kImages) return;
      int& sum = gradient[static_cast<std::size_t>(from)];
      if (sum < 0) {
        sum = dx;
        slots.share(dx);
      } else if (slots.users(sum) == 1) {
        step.sums.push_back({sum, dx, sum, from});
      } else {
        const int fresh = slots.take(operations[static_cast<std::size_t>(from)].output.elements());
        step.sums.push_back({sum, dx, fresh, from});
        slots.release(sum);
        sum = fresh;
      }
    };
    if (wanted && style == GradientStyle::writes_each) {
      const auto& inputs = operation.inputs;
      for (std::size_t k = 0; k < inputs.size(); ++k)
        if (inputs[k] != Operation::kImages)
          step.dx[k] = slots.take(operations[static_cast<std::size_t>(inputs[k])].output.elements());
      for (std::size_t k = 0; k < inputs.size(); ++k)
        if (step.dx[k] >= 0) give(inputs[k], step.dx[k]);
      for (std::size_t k = 0; k < inputs.size(); ++k)
        if (step.dx[k] >= 0) slots.release(step.dx[k]);
    } else if (wanted) {
      const bool reuse =
          style == GradientStyle::pass_through || (style == GradientStyle::in_place && slots.users(dy) == 1);
      int dx = dy;
      if (reuse)
        slots.share(dx);
      else
        dx = slots.take(operation.inputs[0] == Operation::kImages
                            ? operation.output.elements()
                            : operations[static_cast<std::size_t>(operation.inputs[0])].output.elements());
      step.dx[0] = dx;
      for (int from : operation.inputs) give(from, dx);
      slots.release(dx);
    }
    slots.release(dy);
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace bitsmith::trainer
