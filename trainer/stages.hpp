#pragma once

#include <vector>

#include "trainer/buffer_plan.hpp"
#include "trainer/operations.hpp"

namespace bitsmith::trainer {

/// Something a part does.
struct Action {
  enum class Kind { gather, run, sum } kind = Kind::run;
  int index = 0;  ///< forward: operation; backward: step
};

/// What parts do between two points where all of them wait for each other. A part takes `chunk` samples at a
/// time through all actions, few enough that what one action writes is still in the cache for the next:
/// memory is passed over once a stage.
struct Stage {
  std::vector<Action> actions;
  int reduce = -1;  ///< operation (forward) or step (backward) that reduces after the stage
  int chunk = 1;    ///< samples
};

/// `gathers`: whether batch norms look at the whole batch (training, recalibration) or not (evaluation).
std::vector<Stage> forward_stages(const std::vector<Operation>& operations,
                                  const std::vector<OperationTraits>& traits, quant::Shape input,
                                  bool gathers);
std::vector<Stage> backward_stages(const std::vector<Operation>& operations,
                                   const std::vector<OperationTraits>& traits, const BackwardPlan& plan);

}  // namespace bitsmith::trainer
