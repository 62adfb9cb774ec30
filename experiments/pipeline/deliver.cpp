#include "experiments/pipeline/deliver.hpp"

#include <filesystem>
#include <string>

#include "experiments/results_hdf5.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/plan.hpp"

namespace bitsmith::experiments {
namespace fs = std::filesystem;
namespace {

void fill_constraints(const Contest& contest, const MethodSummary& winner, RunResults& results) {
  for (const auto& constraint : contest.budget.constraints()) {
    ConstraintResult row;
    for (const Constraint& configured : contest.config.constraints)
      if (configured.metric() == constraint.name) row.text = configured.text();
    row.metric = constraint.name;
    row.limit = constraint.limit;
    row.value = winner.costs[constraint.metric];
    results.constraints.push_back(std::move(row));
  }
}

void fill_layers(const Pricing& pricing, const quant::NetworkInfo& network, const quant::Policy& policy,
                 RunResults& results) {
  for (std::size_t i = 0; i < network.layers.size(); ++i)
    results.winner_layers.push_back({network.layers[i].name, std::string(layer_kind_name(network.layers[i].kind)),
                                     policy.layers[i].weight, policy.layers[i].activation, "", kUnknown, kUnknown});
  if (pricing.host == nullptr) return;
  const quant::Plan plan = quant::lower(network, policy, *pricing.host);
  const hwmodels::Cost cost = pricing.host->price(network, policy);
  base::require(cost.steps.size() == plan.steps.size(), "the host model prices the plan step by step");
  const double total_ms = cost.totals.front();
  results.other_steps_microseconds = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const double ms = cost.steps[i].values.front();
    if (plan.steps[i].layer < 0) {
      results.other_steps_microseconds += 1e3 * ms;
      continue;
    }
    LayerRow& row = results.winner_layers[static_cast<std::size_t>(plan.steps[i].layer)];
    row.kernel = cost.steps[i].kernel;
    row.microseconds = 1e3 * ms;
    row.share = ms / total_ms;
  }
}

}  // namespace

void deliver(const Contest& contest, const Pricing& pricing, RunResults& results) {
  const MethodSummary& winner = *results.method(results.winner);
  const quant::NetworkInfo& network = contest.budget.network();
  fill_constraints(contest, winner, results);
  fill_layers(pricing, network, winner.policy, results);

  const fs::path output = contest.config.output;
  const auto beside = [&](const char* extension) { return fs::path(output).replace_extension(extension); };
  base::replace_file(beside(".policy.yaml"), quant::policy_to_yaml(network, winner.policy));
  const fs::path checkpoint = contest.workspace.final_network(winner.policy.hash());
  if (fs::exists(checkpoint)) base::replace_file(beside(".network.h5"), base::read_file(checkpoint));
  write_results(results, output);
}

}  // namespace bitsmith::experiments
