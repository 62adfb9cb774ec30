#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "experiments/commands/command.hpp"
#include "experiments/commands/config_options.hpp"
#include "experiments/pipeline/qat.hpp"
#include "experiments/progress.hpp"

namespace bitsmith::experiments {

namespace {

struct QatCommandOptions {
  ConfigOptions config;
  bool json = false, quiet = false;
};

void run(const QatCommandOptions& options, const Streams& streams) {
  const Config config = load_config(options.config);
  ProgressPrinter printer(streams.err, progress_style(options.quiet));
  Reporter reporter;
  reporter.progress = printer.callback();
  reporter.stage = [&](std::string_view name) { printer.stage(std::string(name)); };
  reporter.note = [&](std::string_view fact) { printer.message(std::string(fact)); };
  reporter.warning = [&](std::string_view fact) { printer.warning(std::string(fact)); };
  const QatReport report = run_qat(config, reporter);
  if (options.json)
    streams.out << qat_json(report) << "\n";
  else
    streams.out << qat_text(report);
}

}  // namespace

void add_qat_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand(
      "qat", "Train a network under a quantization that is given, and run it on integers");
  const auto options = std::make_shared<QatCommandOptions>();
  add_config_options(command, options->config);
  command.add_flag("--json", options->json, "print the result as one JSON object");
  command.add_flag("--quiet", options->quiet, "no progress on standard error");
  command.callback([options, streams] { run(*options, streams); });
}

}  // namespace bitsmith::experiments
