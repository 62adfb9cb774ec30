#pragma once

#include <cstdint>
#include <vector>

#include "quant/plan.hpp"

namespace bitsmith::quant {

/// Where the outputs of a plan's steps lie in one piece of memory: those that are alive at the same time do
/// not overlap. An element-wise step writes over its first input where nothing reads that input afterwards.
struct ArenaPlan {
  static constexpr std::int64_t kAlignment = 64;
  std::vector<std::int64_t> offset;  ///< of each step's output, bytes; the last step's (the logits) is -1
  std::int64_t bytes = 0;
};

ArenaPlan plan_arena(const std::vector<Step>& steps, int batch);

}  // namespace bitsmith::quant
