#include "experiments/commands/config_options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/config/load.hpp"

namespace bitsmith::experiments {

void add_config_options(CLI::App& command, ConfigOptions& options) {
  command.add_option("config", options.file, "configuration, YAML; `bitsmith describe` lists its keys")
      ->required()
      ->type_name("CONFIG");
  command
      .add_option(
          "--set", options.overrides,
          "override a key, e.g. --set search.episodes=400 --set search.weight_bits=[4,8]; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--output", options.output, "HDF5 file of the results, instead of the configuration's")
      ->type_name("FILE");
}

Config load_config(const ConfigOptions& options) {
  Config config = load_config(std::filesystem::path(options.file), options.overrides);
  if (!options.output.empty()) config.output = options.output;
  return config;
}

}  // namespace bitsmith::experiments
