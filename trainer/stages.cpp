#include "trainer/stages.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace bitsmith::trainer {
namespace {

/// Floats of a stage's largest tensor that a chunk has: an input and an output of this size share the
/// second-level cache.
constexpr std::int64_t kChunkFloats = 96 * 1024;
constexpr int kMostSamples = 64;

int chunk_for(std::int64_t largest) {
  return static_cast<int>(std::clamp<std::int64_t>(kChunkFloats / largest, 1, kMostSamples));
}

}  // namespace

std::vector<Stage> forward_stages(const std::vector<Operation>& operations,
                                  const std::vector<OperationTraits>& traits, quant::Shape input,
                                  bool gathers) {
  std::vector<Stage> stages;
  Stage stage;
  std::int64_t largest = input.elements();
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const int index = static_cast<int>(i);
    largest = std::max(largest, operations[i].output.elements());
    if (gathers && traits[i].gathers) {
      stage.actions.push_back({Action::Kind::gather, index});
      stage.reduce = index;
      stage.chunk = chunk_for(largest);
      stages.push_back(std::exchange(stage, {}));
      largest = operations[i].output.elements();
    }
    stage.actions.push_back({Action::Kind::run, index});
  }
  stage.chunk = chunk_for(largest);
  stages.push_back(std::move(stage));
  return stages;
}

std::vector<Stage> backward_stages(const std::vector<Operation>& operations,
                                   const std::vector<OperationTraits>& traits, const BackwardPlan& plan) {
  std::vector<Stage> stages;
  Stage stage;
  std::int64_t largest = 1;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const BackwardStep& step = plan.steps[s];
    const auto operation = static_cast<std::size_t>(step.operation);
    const int index = static_cast<int>(s);
    largest = std::max(largest, operations[operation].output.elements());
    if (step.runs && traits[operation].gathers_backward) {
      stage.actions.push_back({Action::Kind::gather, index});
      stage.reduce = index;
      stage.chunk = chunk_for(largest);
      stages.push_back(std::exchange(stage, {}));
      largest = operations[operation].output.elements();
    }
    if (step.runs) stage.actions.push_back({Action::Kind::run, index});
    if (!step.sums.empty()) stage.actions.push_back({Action::Kind::sum, index});
  }
  stage.chunk = chunk_for(largest);
  stages.push_back(std::move(stage));
  return stages;
}

}  // namespace bitsmith::trainer
