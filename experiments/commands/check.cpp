#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

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
struct Expectation {
  std::optional<ExpectedTime> time;
  std::string unknown;
};

/// Images and models may be elsewhere; a network that is here and does not take the images is a mistake.
Expectation expectation(const Config& config) {
  if (!config.network.model.empty() && !std::filesystem::exists(config.network.model))
    return {std::nullopt, config.network.model + ": there is no such file here"};
  if (!config.evaluator.program.command.empty())
    return {std::nullopt, "evaluator.command: a program takes as long as it takes"};
  std::optional<trainer::Data> data;
  try {
    data.emplace(config.data);
  } catch (const base::UserError& error) {
    return {std::nullopt, error.what()};
  }
  return {expected_time(config, *data), {}};
}

std::string to_text(const Expectation& expected) {
  if (!expected.time) return fmt::format("Expected time: not known: {}\n", expected.unknown);
  return fmt::format(
      "Expected time of a run here: {} (training {}, search {}, finalists {}), beside measuring prices\n",
      duration(expected.time->total()), duration(expected.time->train), duration(expected.time->search),
      duration(expected.time->finetune));
}

void check(const CheckOptions& options, const Streams& streams) {
  const Config config = load_config(options.config);
  if (options.json) {
    nlohmann::ordered_json object;
    object["valid"] = true;
    object["identity"] = config_identity(config);
    const Expectation expected = expectation(config);
    object["expected_seconds"] = nullptr;
    if (expected.time)
      object["expected_seconds"] = {{"train", expected.time->train},
                                    {"search", expected.time->search},
                                    {"finetune", expected.time->finetune},
                                    {"total", expected.time->total()}};
    else
      object["no_expectation"] = expected.unknown;
    object["config"] = dump_config(config);
    streams.out << object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else if (options.resolved) {
    streams.out << dump_config(config);
  } else {
    const std::string text = to_text(expectation(config));
    streams.out << options.config.file << ": valid\n" << text;
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
