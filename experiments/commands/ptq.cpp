#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "experiments/commands/command.hpp"
#include "experiments/commands/config_options.hpp"
#include "experiments/pipeline/ptq.hpp"
#include "experiments/progress.hpp"

namespace bitsmith::experiments {

namespace {

struct PtqCommandOptions {
  ConfigOptions config;
  bool json = false, quiet = false;
};

void run(const PtqCommandOptions& options, const Streams& streams) {
  const Config config = load_config(options.config);
  ProgressPrinter printer(streams.err, progress_style(options.quiet));
  Reporter reporter;
  reporter.progress = printer.callback();
  reporter.stage = [&](std::string_view name) { printer.stage(std::string(name)); };
  reporter.note = [&](std::string_view fact) { printer.message(std::string(fact)); };
  reporter.warning = [&](std::string_view fact) { printer.warning(std::string(fact)); };
  const PtqReport report = run_ptq(config, reporter);
  if (options.json)
    streams.out << ptq_json(report) << "\n";
  else
    streams.out << ptq_text(report);
}

}  // namespace

void add_ptq_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand(
      "ptq", "Quantize a trained network without training it, step by step, and run it on integers");
  const auto options = std::make_shared<PtqCommandOptions>();
  add_config_options(command, options->config);
  command.add_flag("--json", options->json, "print the result as one JSON object");
  command.add_flag("--quiet", options->quiet, "no progress on standard error");
  command.callback([options, streams] { run(*options, streams); });
}

}  // namespace bitsmith::experiments
