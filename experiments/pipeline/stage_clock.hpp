#pragma once

#include <chrono>
#include <ctime>
#include <string>
#include <vector>

#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// Wall and CPU seconds (all threads of this process) from construction to stop().
class StageClock {
 public:
  explicit StageClock(std::string stage) : stage_(std::move(stage)) {}

  StageTime stop() const {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - wall_;
    return {stage_, wall.count(), static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC};
  }

 private:
  std::string stage_;
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  std::clock_t cpu_ = std::clock();
};

}  // namespace bitsmith::experiments
