#pragma once

#include <string>
#include <vector>

#include "experiments/config/load.hpp"

namespace bitsmith::experiments {

/// The shortest valid configuration, two lines; tests add to it.
inline const std::string minimal_config = "network: {name: cnn_small}\nconstraint: {size: 0.5x}\n";

/// The problems of a text and overrides; empty if there are none.
inline std::vector<std::string> problems_of(const std::string& text,
                                            const std::vector<std::string>& overrides = {}) {
  try {
    parse_config(text, "c.yaml", overrides);
  } catch (const ConfigError& error) {
    return error.problems();
  } catch (const base::UserError& error) {
    return {error.what()};
  }
  return {};
}

/// The one problem of `minimal_config` with more lines after it; they begin in line 3.
inline std::string problem_of(const std::string& more, const std::vector<std::string>& overrides = {}) {
  const std::vector<std::string> problems = problems_of(minimal_config + more, overrides);
  if (problems.empty()) return "no problem";
  std::string text = problems.front();
  for (std::size_t i = 1; i < problems.size(); ++i) text += " | " + problems[i];
  return text;
}

}  // namespace bitsmith::experiments
