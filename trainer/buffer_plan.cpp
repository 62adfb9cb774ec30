#include "trainer/buffer_plan.hpp"

#include <algorithm>
#include <limits>

namespace bitsmith::trainer {
namespace {

/// Slots that are taken and given back; a request takes the free slot that fits best, and lets it grow if
/// need be. Each request says whether its value is local. A slot of the whole batch that one stage gives back
/// is free from the next on: within a stage, other pieces of the batch still use what it had.
class Slots {
 public:
  explicit Slots(std::vector<Slot>& slots) : slots_(slots) {}

  int take(std::int64_t wanted, bool local, int stage) {
    int best = -1;
    const auto misfit = [&](int s) {
      const std::int64_t size = slots_[static_cast<std::size_t>(s)].elements;
      return size >= wanted ? size - wanted : 2 * (wanted - size);
    };
    for (std::size_t s = 0; s < slots_.size(); ++s)
      if (users_[s] == 0 && slots_[s].local == local && (local || freed_[s] < stage) &&
          (best < 0 || misfit(static_cast<int>(s)) < misfit(best)))
        best = static_cast<int>(s);
    if (best < 0) {
      best = static_cast<int>(slots_.size());
      slots_.push_back({0, local});
      users_.push_back(0);
      freed_.push_back(stage - 1);
    }
    auto& size = slots_[static_cast<std::size_t>(best)].elements;
    size = std::max(size, wanted);
    users_[static_cast<std::size_t>(best)] = 1;
    return best;
  }
  void share(int slot) { ++users_[static_cast<std::size_t>(slot)]; }
  void release(int slot, int stage) {
    --users_[static_cast<std::size_t>(slot)];
    freed_[static_cast<std::size_t>(slot)] = stage;
  }
  int users(int slot) const { return users_[static_cast<std::size_t>(slot)]; }

 private:
  std::vector<Slot>& slots_;
  std::vector<int> users_, freed_;  ///< freed_: the stage of the latest release
};

/// The stage in which each operation runs.
std::vector<int> run_stages(const std::vector<OperationTraits>& traits, bool gathers) {
  std::vector<int> stages;
  int stage = 0;
  for (const OperationTraits& t : traits) {
    if (gathers && t.gathers) ++stage;
    stages.push_back(stage);
  }
  return stages;
}

constexpr auto kForever = std::numeric_limits<std::size_t>::max();

/// Whether each operation's output is computed again in backward, a piece at a time where its readers need
/// it: for cheap operations that costs less than writing it to memory and reading it back.
std::vector<bool> recomputed(const std::vector<Operation>& operations,
                             const std::vector<OperationTraits>& traits) {
  std::vector<bool> again;
  for (const OperationTraits& t : traits) again.push_back(t.recomputes);
  for (std::size_t i = 0; i < operations.size(); ++i)
    for (int from : operations[i].inputs)  // these would need it in two stages
      if (from != Operation::kImages && traits[i].gathers_backward && traits[i].keeps.input)
        again[static_cast<std::size_t>(from)] = false;
  return again;
}

std::vector<std::size_t> last_uses(const std::vector<Operation>& operations,
                                   const std::vector<OperationTraits>& traits, bool for_backward) {
  const std::vector<bool> again = recomputed(operations, traits);
  std::vector<std::size_t> last(operations.size(), 0);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    last[i] = std::max(last[i], for_backward && traits[i].keeps.output ? kForever : i);
    for (int from : operations[i].inputs) {
      if (from == Operation::kImages) continue;
      auto& use = last[static_cast<std::size_t>(from)];
      const bool kept = for_backward && traits[i].keeps.input && !again[static_cast<std::size_t>(from)];
      use = std::max(use, kept ? kForever : i);
    }
  }
  return last;
}

}  // namespace

ForwardPlan plan_forward(const std::vector<Operation>& operations, const std::vector<OperationTraits>& traits,
                         Pass pass) {
  ForwardPlan plan;
  plan.slot.assign(operations.size(), -1);
  Slots slots(plan.slots);
  const auto last = last_uses(operations, traits, pass == Pass::train);
  const std::vector<int> stages = run_stages(traits, pass != Pass::evaluate);
  const auto local = [&](std::size_t i) { return last[i] != kForever && stages[last[i]] == stages[i]; };
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto& inputs = operations[i].inputs;
    const int first = inputs[0];
    const bool is_logits = i + 1 == operations.size();
    const bool in_place = !is_logits && traits[i].forward_in_place && first != Operation::kImages &&
                          last[static_cast<std::size_t>(first)] == i &&
                          local(static_cast<std::size_t>(first)) == local(i);
    if (in_place) {
      plan.slot[i] = plan.slot[static_cast<std::size_t>(first)];
      slots.share(plan.slot[i]);
    } else if (!is_logits) {
      plan.slot[i] = slots.take(operations[i].output.elements(), local(i), stages[i]);
    }
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const bool again = k == 1 && inputs[1] == inputs[0];
      if (inputs[k] != Operation::kImages && !again && last[static_cast<std::size_t>(inputs[k])] == i)
        slots.release(plan.slot[static_cast<std::size_t>(inputs[k])], stages[i]);
    }
  }
  return plan;
}

namespace {

/// Slots of a backward pass. Whether a value is local shows only when its last user has released it: the plan
/// is made twice, and the second time each request, by its number, knows from the first.
class BackwardSlots {
 public:
  BackwardSlots(std::vector<Slot>& slots, std::vector<bool>& local) : slots_(slots), local_(local) {}

  int take(std::int64_t wanted, int stage) {
    const std::size_t request = requests_++;
    if (request == local_.size()) local_.push_back(false);
    const int slot = slots_.take(wanted, local_[request], stage);
    tenant_.resize(std::max(tenant_.size(), static_cast<std::size_t>(slot) + 1));
    tenant_[static_cast<std::size_t>(slot)] = {request, stage};
    return slot;
  }
  void release(int slot, int stage) {
    slots_.release(slot, stage);
    const Tenant& tenant = tenant_[static_cast<std::size_t>(slot)];
    if (slots_.users(slot) == 0) local_[tenant.request] = tenant.since == stage;
  }
  void share(int slot) { slots_.share(slot); }
  int users(int slot) const { return slots_.users(slot); }

 private:
  struct Tenant {
    std::size_t request = 0;
    int since = 0;
  };
  Slots slots_;
  std::vector<bool>& local_;
  std::vector<Tenant> tenant_;
  std::size_t requests_ = 0;
};

BackwardPlan plan_backward(const std::vector<Operation>& operations,
                           const std::vector<OperationTraits>& traits, std::vector<bool>& local) {
  constexpr int kBefore = -1;  // the stage in which the logits' gradient comes
  BackwardPlan plan;
  BackwardSlots slots(plan.slots, local);
  std::vector<int> gradient(operations.size(), -1);  // slot of each output's gradient so far
  const std::vector<bool> again = recomputed(operations, traits);
  gradient.back() = plan.logits_slot = slots.take(operations.back().output.elements(), kBefore);

  int stage = 0;
  for (std::size_t i = operations.size(); i-- > 0;) {
    const Operation& operation = operations[i];
    const GradientStyle style = traits[i].style;
    const int dy = gradient[i];
    BackwardStep step;
    step.operation = static_cast<int>(i);
    step.runs = style != GradientStyle::pass_through;
    step.dy = dy;
    if (step.runs && traits[i].gathers_backward) ++stage;
    for (std::size_t k = 0; k < operation.inputs.size(); ++k) {
      const int from = operation.inputs[k];
      if (step.runs && traits[i].keeps.input && from != Operation::kImages &&
          again[static_cast<std::size_t>(from)])
        step.recomputed[k] = slots.take(operations[static_cast<std::size_t>(from)].output.elements(), stage);
    }
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
        const int fresh = slots.take(operations[static_cast<std::size_t>(from)].output.elements(), stage);
        step.sums.push_back({sum, dx, fresh, from});
        slots.release(sum, stage);
        sum = fresh;
      }
    };
    if (wanted && style == GradientStyle::writes_each) {
      const auto& inputs = operation.inputs;
      for (std::size_t k = 0; k < inputs.size(); ++k)
        if (inputs[k] != Operation::kImages)
          step.dx[k] = slots.take(operations[static_cast<std::size_t>(inputs[k])].output.elements(), stage);
      for (std::size_t k = 0; k < inputs.size(); ++k)
        if (step.dx[k] >= 0) give(inputs[k], step.dx[k]);
      for (std::size_t k = 0; k < inputs.size(); ++k)
        if (step.dx[k] >= 0) slots.release(step.dx[k], stage);
    } else if (wanted) {
      // What gathers reads a gradient of the whole batch, and gives one that may live for a chunk only.
      const bool reuse =
          style == GradientStyle::pass_through ||
          (style == GradientStyle::in_place && !traits[i].gathers_backward && slots.users(dy) == 1);
      int dx = dy;
      if (reuse)
        slots.share(dx);
      else
        dx = slots.take(operation.inputs[0] == Operation::kImages
                            ? operation.output.elements()
                            : operations[static_cast<std::size_t>(operation.inputs[0])].output.elements(),
                        stage);
      step.dx[0] = dx;
      for (int from : operation.inputs) give(from, dx);
      slots.release(dx, stage);
    }
    for (int slot : step.recomputed)
      if (slot >= 0) slots.release(slot, stage);
    slots.release(dy, stage);
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace

BackwardPlan plan_backward(const std::vector<Operation>& operations,
                           const std::vector<OperationTraits>& traits) {
  std::vector<bool> local;
  plan_backward(operations, traits, local);
  return plan_backward(operations, traits, local);
}

}  // namespace bitsmith::trainer
