#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "experiments/commands/command.hpp"
#include "experiments/commands/config_options.hpp"
#include "experiments/config/dump.hpp"

namespace bitsmith::experiments {

namespace {

struct CheckOptions {
  ConfigOptions config;
  bool json = false, resolved = false;
};

void check(const CheckOptions& options, const Streams& streams) {
  const Config config = load_config(options.config);
  if (options.json) {
    nlohmann::ordered_json object;
    object["valid"] = true;
    object["identity"] = config_identity(config);
    object["config"] = dump_config(config);
    streams.out << object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else if (options.resolved) {
    streams.out << dump_config(config);
  } else {
    streams.out << options.config.file << ": valid\n";
  }
}

}  // namespace

void add_check_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand("check", "Check a configuration, and run nothing");
  const auto options = std::make_shared<CheckOptions>();
  add_config_options(command, options->config);
  command.add_flag("--resolved", options->resolved, "print every key with its value");
  command.add_flag("--json", options->json, "print {valid, identity, config} as one JSON object");
  command.callback([options, streams] { check(*options, streams); });
}

}  // namespace bitsmith::experiments
