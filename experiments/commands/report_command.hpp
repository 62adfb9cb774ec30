#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "experiments/commands/command.hpp"
#include "experiments/commands/config_options.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/progress.hpp"

namespace bitsmith::experiments {

/// A command that makes one report of a configuration: what it is called, how the report is made, and how it
/// is shown.
template <typename Report>
struct ReportCommand {
  const char *name, *about;
  Report (*run)(const Config& config, const Reporter& reporter);
  std::string (*text)(const Report& report);
  std::string (*json)(const Report& report);
};

template <typename Report>
void add_report_command(CLI::App& program, const Streams& streams, const ReportCommand<Report>& row) {
  struct Options {
    ConfigOptions config;
    bool json = false, quiet = false;
  };
  CLI::App& command = *program.add_subcommand(row.name, row.about);
  const auto options = std::make_shared<Options>();  // lives as long as the callback
  add_config_options(command, options->config);
  command.add_flag("--json", options->json, "print the result as one JSON object");
  command.add_flag("--quiet", options->quiet, "no progress on standard error");
  command.callback([options, streams, row] {
    const Config config = load_config(options->config);
    ProgressPrinter printer(streams.err, progress_style(options->quiet));
    Reporter reporter;
    reporter.progress = printer.callback();
    reporter.stage = [&](std::string_view name) { printer.stage(std::string(name)); };
    reporter.note = [&](std::string_view fact) { printer.message(std::string(fact)); };
    reporter.warning = [&](std::string_view fact) { printer.warning(std::string(fact)); };
    const Report report = row.run(config, reporter);
    if (options->json)
      streams.out << row.json(report) << "\n";
    else
      streams.out << row.text(report);
  });
}

}  // namespace bitsmith::experiments
