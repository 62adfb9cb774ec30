#include "experiments/commands/config_options.hpp"

#include <CLI/CLI.hpp>

#include "experiments/config/load.hpp"

namespace bitsmith::experiments {

namespace {

/// As a YAML text, whatever is in it.
std::string quoted(const std::string& text) {
  std::string yaml = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') yaml += '\\';
    yaml += c;
  }
  return yaml + "\"";
}

}  // namespace

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
  std::vector<std::string> overrides = options.overrides;
  if (options.output) overrides.push_back("output=" + quoted(*options.output));
  return load_config(std::filesystem::path(options.file), overrides);
}

}  // namespace bitsmith::experiments
