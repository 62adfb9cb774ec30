#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "experiments/commands/command.hpp"
#include "experiments/config/load.hpp"
#include "experiments/config/network.hpp"
#include "experiments/pipeline/pricing.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "experiments/progress.hpp"
#include "experiments/results_hdf5.hpp"
#include "experiments/verification.hpp"
#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "search/action_space.hpp"
#include "trainer/data/data.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::experiments {

namespace {

struct VerifyOptions {
  std::string file;
  std::vector<std::string> policies;
  int random = 20, batch = 0, rounds = 7;
  std::uint64_t seed = 1;
  bool json = false, quiet = false;
};

/// What is verified: a finished run, or a configuration alone, which has no winner yet.
struct Subject {
  Config config;
  quant::NetworkInfo network;
  quant::Policy winner;  ///< no layers: none
  std::string price_table_hash;
};

Subject subject_of(const std::string& file) {
  Subject subject;
  if (!is_results_file(file) && !file.ends_with(".h5")) {
    subject.config = load_config(std::filesystem::path(file));
    const trainer::Data data(subject.config.data);
    subject.network = build_network(subject.config.network, data.shape(), data.classes());
    return subject;
  }
  const RunResults results = read_results(file);
  if (results.layers.empty()) throw base::UserError(file + ": these results name no layers");
  subject.config = parse_config(results.config, file + ": config");
  subject.config.output = file;  // its work folder, wherever the file has been moved
  subject.network = build_network(subject.config.network, results.layers.front().input,
                                  results.layers.back().output.channels);
  subject.winner = results.winner.policy;
  subject.price_table_hash = results.price_table_hash;
  return subject;
}

search::ActionSpace space_of(const Subject& subject) {
  return {subject.network, subject.config.search, subject.config.quantization};
}

quant::Policy uniform8(const Subject& subject) {
  return space_of(subject).pin_layers(quant::uniform_policy(subject.network, {8, 8}));
}

std::vector<quant::Policy> random_policies(const Subject& subject, int count, std::uint64_t seed) {
  const search::ActionSpace space = space_of(subject);
  base::Rng rng(base::derive_seed(seed, "policies to verify"));
  std::vector<quant::Policy> policies;
  for (int i = 0; i < count; ++i) {
    quant::Policy policy = space.lowest();
    for (const search::Step& step : space.steps()) {
      const auto choices = space.choices(step.layer, step.part);
      space.set(policy, step, choices[rng.below(static_cast<unsigned>(choices.size()))]);
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

std::vector<Executable> executables_of(const Subject& subject, const VerifyOptions& options,
                                       const hwmodels::HostModel& host) {
  const int batch = subject.config.hardware.host.batch;
  std::vector<Executable> list;
  if (!subject.winner.layers.empty()) list.push_back(make_executable("winner", subject.winner, host, batch));
  list.push_back(make_executable("uniform8", uniform8(subject), host, batch));
  for (const std::string& file : options.policies)
    list.push_back(make_executable(std::filesystem::path(file).filename().string(),
                                   quant::policy_from_yaml(subject.network, file), host, batch));
  int number = 0;
  for (const quant::Policy& policy : random_policies(subject, options.random, options.seed))
    list.push_back(make_executable(fmt::format("random {}", ++number), policy, host, batch));
  return list;
}

void verify(const VerifyOptions& options, const Streams& streams) {
  Subject subject = subject_of(options.file);
  if (options.batch > 0) subject.config.hardware.host.batch = options.batch;
  subject.config.hardware.models = {"host"};
  subject.config.hardware.program.command.clear();

  ProgressPrinter printer(streams.err, progress_style(options.quiet));
  Reporter reporter;
  reporter.progress = printer.callback();
  reporter.note = [&](std::string_view fact) { printer.message(std::string(fact)); };
  reporter.warning = [&](std::string_view fact) { printer.warning(std::string(fact)); };
  const Workspace workspace(subject.config.output);
  printer.stage("profile");
  const Pricing pricing =
      make_pricing(subject.config, subject.network, workspace, reporter, Prices::of_today);
  printer.stage("verify");
  std::vector<Executable> executables = executables_of(subject, options, *pricing.host);
  const Verification verification =
      verify_latency(*pricing.host, hwmodels::median_canary(pricing.table.canaries), executables,
                     options.rounds, options.seed, reporter.progress);
  if (options.json) {
    streams.out << verification_json(verification, subject.network) << "\n";
  } else {
    streams.out << verification_text(verification);
  }
}

}  // namespace

void add_verify_command(CLI::App& program, const Streams& streams) {
  constexpr int kMaxRandom = 1000, kMaxRounds = 1000, kMaxBatch = 4096;
  CLI::App& command = *program.add_subcommand("verify",
                                              "Execute a run's winner, uniform 8 bit and random policies on "
                                              "integers, and compare with the predicted latency");
  const auto options = std::make_shared<VerifyOptions>();
  command.add_option("file", options->file, "HDF5 file of results; or a configuration, which has no winner")
      ->required()
      ->type_name("RESULTS");
  command.add_option("--random", options->random, "random policies of the run's choices, 0 to 1000 (20)")
      ->check(CLI::Range(0, kMaxRandom));
  command
      .add_option("--policy", options->policies,
                  "a policy of your own to execute too, in YAML; may be repeated")
      ->type_name("FILE");
  command
      .add_option("--batch", options->batch, "images per inference, 1 to 4096; default: the configuration's")
      ->check(CLI::Range(1, kMaxBatch));
  command.add_option("--rounds", options->rounds, "interleaved rounds, 1 to 1000 (7)")
      ->check(CLI::Range(1, kMaxRounds));
  command.add_option("--seed", options->seed, "of the random policies and of the order (1)");
  command.add_flag("--json", options->json, "print every pair, step by step, as one JSON object");
  command.add_flag("--quiet", options->quiet, "no progress on standard error");
  command.callback([options, streams] { verify(*options, streams); });
}

}  // namespace bitsmith::experiments
