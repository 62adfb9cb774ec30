#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "experiments/commands/command.hpp"
#include "experiments/commands/config_options.hpp"
#include "experiments/config/dump.hpp"
#include "experiments/pipeline/expected_time.hpp"
#include "quant/base/error.hpp"

namespace bitsmith::experiments {

namespace {

struct CheckOptions {
  ConfigOptions config;
  bool json = false, resolved = false;
};

/// "2.5 min", in the unit that suits.
std::string duration(double seconds) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < 2 * kMinute) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{:.0f} min", seconds / kMinute);
  if (seconds < 2 * kDay) return fmt::format("{:.1f} hours", seconds / kHour);
  return fmt::format("{:.1f} days", seconds / kDay);
}

/// What a run would take, or why nobody knows yet.
std::string expectation(const Config& config) {
  try {
    const ExpectedTime expected = expected_time(config);
    return fmt::format(
        "Expected time of a run here: {} (training {}, search {}, finalists {}), beside measuring prices\n",
        duration(expected.total()), duration(expected.train), duration(expected.search),
        duration(expected.finetune));
  } catch (const base::UserError& error) {
    return fmt::format("Expected time: not known: {}\n", error.what());
  }
}

void check(const CheckOptions& options, const Streams& streams) {
  const Config config = load_config(options.config);
  if (options.json) {
    nlohmann::ordered_json object;
    object["valid"] = true;
    object["identity"] = config_identity(config);
    try {
      const ExpectedTime expected = expected_time(config);
      object["expected_seconds"] = {{"train", expected.train},
                                    {"search", expected.search},
                                    {"finetune", expected.finetune},
                                    {"total", expected.total()}};
    } catch (const base::UserError& error) {
      object["expected_seconds"] = nullptr;
      object["no_expectation"] = error.what();
    }
    object["config"] = dump_config(config);
    streams.out << object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else if (options.resolved) {
    streams.out << dump_config(config);
  } else {
    streams.out << options.config.file << ": valid\n" << expectation(config);
  }
}

}  // namespace

void add_check_command(CLI::App& program, const Streams& streams) {
  CLI::App& command =
      *program.add_subcommand("check", "Check a configuration, and say how long a run would take here");
  const auto options = std::make_shared<CheckOptions>();
  add_config_options(command, options->config);
  command.add_flag("--resolved", options->resolved, "print every key with its value");
  command.add_flag("--json", options->json,
                   "print {valid, identity, expected_seconds, config} as one JSON object");
  command.callback([options, streams] { check(*options, streams); });
}

}  // namespace bitsmith::experiments
