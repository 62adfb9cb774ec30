#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "experiments/commands/command.hpp"
#include "experiments/commands/config_options.hpp"
#include "experiments/commands/layer_profile.hpp"
#include "experiments/pipeline/pipeline.hpp"
#include "experiments/progress.hpp"
#include "experiments/report_terminal.hpp"
#include "experiments/results_json.hpp"
#include "quant/base/error.hpp"

namespace bitsmith::experiments {

namespace {

struct StageCommand {
  const char* name;
  Stage until;
  bool continues;  ///< builds on an unfinished run of the same configuration without being asked
  const char* about;
};

constexpr StageCommand stage_commands[] = {
    {"run", Stage::finetune, false, "The whole experiment: profile, train, search, fine-tune, test, report"},
    {"profile", Stage::profile, true,
     "Measure the prices of this computer's kernels for a network, and prove the budget feasible; or for a "
     "list of layers"},
    {"train", Stage::train, true, "Train the fp32 network, after what comes before it"},
    {"search", Stage::search, true, "Search for policies, after what comes before it"},
    {"finetune", Stage::finetune, true, "Fine-tune and test the best policies, after what comes before it"},
};

struct StageOptions {
  ConfigOptions config;
  LayerProfileOptions layers;  ///< of profile, in place of a configuration
  bool resume = false, fresh = false, json = false, quiet = false;
};

void run_stage(const StageCommand& stage, const StageOptions& options, const Streams& streams) {
  const Config config = load_config(options.config);
  ProgressPrinter printer(streams.err, progress_style(options.quiet));
  RunControl control;
  control.until = stage.until;
  control.fresh = options.fresh;
  control.resume = options.resume || (stage.continues && !options.fresh);
  control.reporter.progress = printer.callback();
  control.reporter.stage = [&](std::string_view name) { printer.stage(std::string(name)); };
  control.reporter.note = [&](std::string_view fact) { printer.message(std::string(fact)); };
  control.reporter.warning = [&](std::string_view fact) { printer.warning(std::string(fact)); };
  const RunResults results = run_pipeline(config, control);
  if (options.json) {
    streams.out << results_json(results) << "\n";
    return;
  }
  streams.out << terminal_report(results);
}

}  // namespace

void add_stage_commands(CLI::App& program, const Streams& streams) {
  for (const StageCommand& stage : stage_commands) {
    CLI::App& command = *program.add_subcommand(stage.name, stage.about);
    const auto options = std::make_shared<StageOptions>();  // lives as long as the callback
    add_config_options(command, options->config);
    auto* resume =
        command.add_flag("--resume", options->resume, "go on with an unfinished run of this configuration");
    command.add_flag("--fresh", options->fresh, "throw an unfinished run away")->excludes(resume);
    if (stage.until == Stage::profile) add_layer_profile_options(command, options->layers);
    command.add_flag("--json", options->json, "print the result as one JSON object");
    command.add_flag("--quiet", options->quiet, "no progress on standard error");
    command.callback([&stage, options, streams] {
      if (!options->layers.list.empty() || !options->layers.network.network.empty())
        return profile_layers(options->layers, options->json, options->quiet, streams);
      if (!options->layers.host.table.empty())
        throw base::UserError("profile: --table requires --layers or --network");
      if (stage.until == Stage::profile && options->config.file.empty())
        throw base::UserError(
            "profile: what? Give a configuration (CONFIG), or a list of layers (--layers LAYERS.tsv --table "
            "FILE.h5), or a network (--network NAME --table FILE.h5); see bitsmith profile --help");
      run_stage(stage, *options, streams);
    });
  }
}

}  // namespace bitsmith::experiments
