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
  bool gathers = false, gathers_backward = false;
  bool recomputes = false;
};

/// A piece of memory that several values have one after the other.
struct Slot {
  std::int64_t elements = 0;  ///< per sample
  /// Whether values live within one stage: then there is room for one chunk of samples in each part, else for
  /// the whole batch.
  bool local = false;
};

enum class Pass { train, recalibrate, evaluate };

/// Where each operation's output lies: values whose lives do not overlap share a slot. In a pass for
/// training, what backward reads keeps a slot of its own; in one for evaluation all is one stage, and so
/// local.
struct ForwardPlan {
  std::vector<int> slot;  ///< of each operation's output; -1 for the last (the logits)
  std::vector<Slot> slots;
};
ForwardPlan plan_forward(const std::vector<Operation>& operations, const std::vector<OperationTraits>& traits,
                         Pass pass);

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
  int recomputed[2] = {-1, -1};   ///< slots of inputs that are computed again for this step; -1: kept
  std::vector<GradientSum> sums;  ///< afterwards: what is added to gradients that other readers gave before
};

/// The order of a backward pass and its memory. A tensor with several readers sums their gradients in the
/// order in which backward comes to them, last reader first.
struct BackwardPlan {
  int logits_slot = 0;
  std::vector<BackwardStep> steps;
  std::vector<Slot> slots;
};

BackwardPlan plan_backward(const std::vector<Operation>& operations,
                           const std::vector<OperationTraits>& traits);

}  // namespace bitsmith::trainer
