#pragma once

#include <functional>
#include <string_view>

#include "quant/base/progress.hpp"

namespace bitsmith::experiments {

/// How a run speaks while it works; the program decides what is shown and where.
struct Reporter {
  base::Progress progress = base::no_progress;
  std::function<void(std::string_view stage)> stage = [](std::string_view) {};  ///< a new stage begins
  std::function<void(std::string_view fact)> note = [](std::string_view) {};    ///< a fact worth a line
  /// A fact to be told in any case.
  std::function<void(std::string_view fact)> warning = [](std::string_view) {};
};

}  // namespace bitsmith::experiments
