#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/config/config.hpp"

namespace bitsmith::experiments {

/// What every command that reads a configuration takes.
struct ConfigOptions {
  std::string file;
  std::vector<std::string> overrides;
  std::optional<std::string> output;  ///< in place of the configuration's, and checked like it
};
void add_config_options(CLI::App& command, ConfigOptions& options);

/// The checked configuration, overrides applied; throws ConfigError.
Config load_config(const ConfigOptions& options);

}  // namespace bitsmith::experiments
