#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "experiments/config/places.hpp"
#include "trainer/options.hpp"

namespace bitsmith::experiments {

/// Collects one problem per broken rule, at the first of the rule's keys that is written in the
/// configuration.
class Rules {
 public:
  explicit Rules(Places& places) : places_(places) {}

  void require(bool holds, std::initializer_list<std::string> paths, const std::string& message) {
    if (holds) return;
    for (const std::string& path : paths)
      if (places_.has_problem(path)) return;
    for (const std::string& path : paths)
      if (places_.given(path)) return broken_.push_back({path, message});
    broken_.push_back({*paths.begin(), message});
  }
  /// Reports them all: a broken rule does not hide another one.
  void finish() {
    for (const auto& [path, message] : broken_) places_.problem(path, message);
  }

 private:
  Places& places_;
  std::vector<std::pair<std::string, std::string>> broken_;
};

/// Rules between the keys of the group `data`.
void check_data(Rules& rules, const trainer::DataOptions& data);

}  // namespace bitsmith::experiments
