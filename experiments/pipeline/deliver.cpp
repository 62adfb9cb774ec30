#include "experiments/pipeline/deliver.hpp"

#include <filesystem>
#include <string>

#include "experiments/results_hdf5.hpp"
#include "experiments/results_json.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/plan.hpp"

namespace bitsmith::experiments {
namespace fs = std::filesystem;
namespace {

void fill_constraints(const Contest& contest, RunResults& results) {
  const std::vector<double> costs = contest.budget.price(results.winner.policy);
  for (const auto& constraint : contest.budget.constraints()) {
    ConstraintResult row;
    for (const Constraint& configured : contest.config.constraints)
      if (configured.metric() == constraint.name) {
        row.name = configured.name;
        row.spec = configured.text();
      }
    row.metric = constraint.name;
    row.unit = constraint.unit;
    row.limit = constraint.limit;
    row.value = costs[constraint.metric];
    row.met = row.value <= row.limit;
    results.constraints.push_back(std::move(row));
  }
}

void fill_layers(const Pricing& pricing, const quant::NetworkInfo& network, Winner& winner) {
  winner.layers.resize(network.layers.size());
  if (pricing.host == nullptr) return;
  const quant::Plan plan = quant::lower(network, winner.policy, *pricing.host);
  const hwmodels::Cost cost = pricing.host->price(network, winner.policy);
  base::require(cost.steps.size() == plan.steps.size(), "the host model prices the plan step by step");
  const double total_ms = cost.totals.front();
  winner.predicted_ms = total_ms;
  winner.other_microseconds = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const double ms = cost.steps[i].values.front();
    if (plan.steps[i].layer < 0) {
      winner.other_microseconds += 1e3 * ms;
      continue;
    }
    LayerCost& layer = winner.layers[static_cast<std::size_t>(plan.steps[i].layer)];
    layer.kernel = cost.steps[i].kernel;
    layer.microseconds = 1e3 * ms;
    layer.share = ms / total_ms;
  }
}

}  // namespace

void describe_winner(const Contest& contest, const Pricing& pricing, RunResults& results) {
  fill_constraints(contest, results);
  fill_layers(pricing, contest.budget.network(), results.winner);
}

void deliver(const Contest& contest, const RunResults& results) {
  const quant::NetworkInfo& network = contest.budget.network();
  const quant::Policy& policy = results.winner.policy;
  const fs::path output = contest.config.output;
  const auto beside = [&](const char* extension) { return fs::path(output).replace_extension(extension); };
  base::replace_file(beside(".policy.yaml"), quant::policy_to_yaml(network, policy));
  const fs::path checkpoint = contest.workspace.final_network(policy.hash());
  if (fs::exists(checkpoint)) base::replace_file(beside(".network.h5"), base::read_file(checkpoint));
  write_results_yaml(beside(".summary.yaml"), results);
  write_results(output, results);
}

}  // namespace bitsmith::experiments
