#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "experiments/commands/command.hpp"
#include "experiments/report_terminal.hpp"
#include "experiments/results_hdf5.hpp"
#include "experiments/results_json.hpp"

namespace bitsmith::experiments {

namespace {

struct ShowOptions {
  std::string file;
  bool json = false, config = false;
};

void show(const ShowOptions& options, const Streams& streams) {
  const RunResults results = read_results(options.file);
  if (options.json) {
    streams.out << results_json(results) << "\n";
  } else if (options.config) {
    streams.out << results.config;
  } else {
    streams.out << terminal_report(results);
  }
}

}  // namespace

void add_show_command(CLI::App& program, const Streams& streams) {
  CLI::App& command = *program.add_subcommand("show", "Show the results of a run");
  const auto options = std::make_shared<ShowOptions>();
  command.add_option("file", options->file, "HDF5 file of results")->required()->type_name("FILE");
  auto* json = command.add_flag("--json", options->json, "print everything as one JSON object");
  command.add_flag("--config", options->config, "print the run's configuration")->excludes(json);
  command.callback([options, streams] { show(*options, streams); });
}

}  // namespace bitsmith::experiments
