#include "experiments/config/describe.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "experiments/commands/command.hpp"

namespace bitsmith::experiments {

namespace {

struct DescribeOptions {
  std::string path;
  bool json = false;
};

}  // namespace

void add_describe_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand(
      "describe", "List the keys of a configuration with type, default, allowed values, unit and meaning");
  const auto options = std::make_shared<DescribeOptions>();
  command.add_option("path", options->path, "a key or group, e.g. search.ddpg; all if left out")
      ->type_name("PATH");
  command.add_flag("--json", options->json, "print one JSON object");
  command.callback([options, streams] {
    const std::vector<KeyDescription> keys = describe_config(options->path);
    streams.out << (options->json ? description_json(keys) + "\n" : description_text(keys));
  });
}

}  // namespace bitsmith::experiments
