#include "experiments/pipeline/pipeline.hpp"

#include <fmt/format.h>

#include <ctime>
#include <optional>
#include <utility>

#include "experiments/config/dump.hpp"
#include "experiments/config/network.hpp"
#include "experiments/pipeline/comparison.hpp"
#include "experiments/pipeline/deliver.hpp"
#include "experiments/pipeline/deployment.hpp"
#include "experiments/pipeline/pricing.hpp"
#include "experiments/pipeline/scoring.hpp"
#include "experiments/pipeline/stage_clock.hpp"
#include "experiments/pipeline/training.hpp"
#include "experiments/pipeline/unfinished_run.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "experiments/results_hdf5.hpp"
#include "hwmodels/provenance.hpp"
#include "quant/base/cpu.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/parallel.hpp"
#include "search/action_space.hpp"
#include "search/budget.hpp"
#include "trainer/data/data.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/qat/choose_methods.hpp"

namespace bitsmith::experiments {
namespace {

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&seconds));
  return text;
}

Provenance begin_provenance(const Config& config) {
  const hwmodels::Provenance here = hwmodels::current_provenance();
  Provenance provenance;
  provenance.version = here.program;
  provenance.git = BITSMITH_GIT;
  provenance.cpu = here.cpu;
  provenance.isa = here.isa;
  provenance.threads = base::thread_count();
  provenance.seed = config.seed;
  provenance.started = now();
  provenance.libraries = {{"oneDNN", here.onednn}, {"compiler", here.compiler}};
  return provenance;
}

std::vector<search::ConstraintSpec> specs(const Config& config) {
  std::vector<search::ConstraintSpec> list;
  for (const Constraint& constraint : config.constraints)
    list.push_back({constraint.metric(), constraint.value, constraint.relative});
  return list;
}

/// Results replace results, and nothing else that a path may lead to.
void refuse_foreign_output(const std::filesystem::path& output) {
  if (!std::filesystem::exists(output)) return;
  if (!std::filesystem::is_regular_file(output) || !is_results_file(output))
    throw base::UserError(
        fmt::format("{}: exists and is no results file of bitsmith; remove it, or choose another output",
                    output.string()));
}

std::string run_identity(const Config& config, const Pricing& pricing, std::string_view evaluator) {
  base::Hasher hasher;
  hasher.add(config_identity(config));
  hasher.add(pricing.models->fingerprint());
  hasher.add(evaluator);
  // Fused multiply-adds round once: AVX2 and AVX-512 agree to the bit, plain SSE differs.
  hasher.add(std::string_view(base::selected_isa() == base::Isa::scalar ? "scalar" : "fused"));
  return hasher.hex();
}

}  // namespace

RunResults run_pipeline(const Config& config, const RunControl& control) {
  const Reporter& reporter = control.reporter;
  if (config.constraints.empty())
    throw base::UserError(
        "constraint: give at least one bound, e.g. constraint: {size: 0.5x}; only ptq and qat go without");
  base::set_thread_count(config.threads);
  Workspace workspace(config.output);
  if (control.resume && control.until == Stage::finetune) {
    if (auto finished = finished_results(config, workspace)) {
      reporter.note(fmt::format("{}: finished before, at {}; --fresh runs it again", config.output,
                                finished->provenance.finished));
      return *std::move(finished);
    }
  }
  refuse_foreign_output(config.output);
  claim_workspace(config, workspace, control.resume, control.fresh);

  RunResults results;
  results.config = dump_config(config);
  results.provenance = begin_provenance(config);

  reporter.stage("data");
  const trainer::Data data(config.data);
  const quant::NetworkInfo network = build_network(config.network, data.shape(), data.classes());
  trainer::check_layer_names(network, config.quantization);
  results.network = network.name;
  results.layers = network.layers;

  reporter.stage("profile");
  StageClock profile_clock("profile");
  const Pricing pricing = make_pricing(config, network, workspace, reporter);
  results.price_table_hash = pricing.models->fingerprint();
  results.metrics.assign(pricing.models->metrics().begin(), pricing.models->metrics().end());
  results.stages.push_back(profile_clock.stop());
  const search::ActionSpace space(network, config.search, config.quantization);
  const search::Budget budget(network, space, *pricing.models,
                              search::resolve(specs(config), network, space, *pricing.models));
  if (control.until == Stage::profile) return results;

  reporter.stage("train");
  StageClock train_clock("train");
  const bool program = !config.evaluator.program.command.empty();
  std::optional<TrainedNetwork> trained;
  if (!program) {
    trained.emplace(obtain_network(config, data, network, workspace, reporter));
    results.training = trained->curve;
    results.training_steps = trained->steps;
  }
  results.stages.push_back(train_clock.stop());
  if (control.until == Stage::train) return results;

  reporter.stage("calibrate");
  StageClock search_clock("search");
  const auto scoring = program ? make_program_scoring(config, network)
                               : make_builtin_scoring(config, data, trained->network, workspace, reporter);
  results.identity = run_identity(config, pricing, scoring->short_evaluator().fingerprint());
  const Contest contest{config, *pricing.models, budget, *scoring, workspace, results.identity, reporter};
  run_searches(contest, results);
  results.stages.push_back(search_clock.stop());
  if (control.until == Stage::search) return results;

  StageClock finetune_clock("finetune");
  run_finals(contest, results);
  results.stages.push_back(finetune_clock.stop());
  results.provenance.finished = now();
  describe_winner(contest, pricing, results);
  deploy_winner(contest, pricing, data, results);
  deliver(contest, results);
  workspace.forget_run();
  return results;
}

}  // namespace bitsmith::experiments
