#pragma once

#include <cstdint>
#include <vector>

#include "trainer/layer.hpp"
#include "trainer/operations.hpp"

namespace bitsmith::trainer {

/// What the plans need to know of an operation's layer.
struct OperationTraits {
  Keeps keeps;
  bool forward_in_place = false;
  GradientStyle style = GradientStyle::writes;
};

/// Where each operation's output lies: values whose lives do not overlap share a slot.
struct ForwardPlan {
  std::vector<int> slot;                    ///< of each operation's output; -1 for the last (the logits)
  std::vector<std::int64_t> slot_elements;  ///< per sample
};

/// With `for_backward`, what backward reads keeps a slot of its own.
ForwardPlan plan_forward(const std::vector<Operation>& operations, const std::vector<OperationTraits>& traits,
                         bool for_backward);

/// out = a + b over gradient slots (out may be a or b), of the output of operation `of`.
struct GradientSum {
  int a = 0, b = 0, out = 0;
  int of = 0;
};

struct BackwardStep {
  int operation = 0;
  bool runs = true;               ///< false: the gradient passes through
  int dy = 0;                     ///< slot
  int dx[2] = {-1, -1};           ///< slots; -1: not wanted
  std::vector<GradientSum> sums;  ///< afterwards: what is added to gradients that other readers gave before
};

/// The order of a backward pass and its memory. A tensor with several readers sums their gradients in the
/// order in which backward comes to them, last reader first.
struct BackwardPlan {
  int logits_slot = 0;
  std::vector<BackwardStep> steps;
  std::vector<std::int64_t> slot_elements;  ///< per sample
};

BackwardPlan plan_backward(const std::vector<Operation>& operations,
                           const std::vector<OperationTraits>& traits);

}  // namespace bitsmith::trainer
