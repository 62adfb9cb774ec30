#include "experiments/pipeline/deployment.hpp"

#include <filesystem>

#include "experiments/pipeline/deployed_accuracy.hpp"
#include "experiments/pipeline/imported_names.hpp"
#include "experiments/verification.hpp"
#include "quant/plan.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"

namespace bitsmith::experiments {
namespace {

constexpr int kTestBatch = 100, kRounds = 7;

quant::Plan plan_of(const Contest& contest, const Pricing& pricing, const quant::Policy& policy) {
  const quant::NetworkInfo& network = contest.budget.network();
  return pricing.host != nullptr ? quant::lower(network, policy, *pricing.host)
                                 : quant::lower(network, policy);
}

trainer::DeployedModel make_model(const Contest& contest, const Pricing& pricing, const trainer::Data& data,
                                  const trainer::Network& network, const RunResults& results) {
  const quant::Policy& policy = results.winner.policy;
  trainer::DeployedModel model = trainer::deploy(network, plan_of(contest, pricing, policy));
  model.input = data.input_form();
  model.provenance = {{"program", "bitsmith " + results.provenance.version},
                      {"git", results.provenance.git},
                      {"cpu", results.provenance.cpu},
                      {"isa", results.provenance.isa},
                      {"finished", results.provenance.finished},
                      {"identity", results.identity},
                      {"method", results.winner.method}};
  keep_names(contest.config.network, model.provenance);
  return model;
}

void fill_measured(const VerifiedPolicy& verified, Winner& winner) {
  winner.measured_ms = verified.measured_ms;
  winner.measured_other_microseconds = 0;
  for (const VerifiedStep& step : verified.steps)
    if (step.layer < 0)
      winner.measured_other_microseconds += step.measured_us;
    else
      winner.layers[static_cast<std::size_t>(step.layer)].measured_microseconds = step.measured_us;
}

}  // namespace

void deploy_winner(const Contest& contest, const Pricing& pricing, const trainer::Data& data,
                   RunResults& results) {
  contest.reporter.stage("deploy");
  Winner& winner = results.winner;
  const quant::NetworkInfo& info = contest.budget.network();
  const int batch = contest.config.hardware.host.batch;
  std::vector<Executable> executables;
  const auto checkpoint = contest.workspace.final_network(winner.policy.hash());
  if (std::filesystem::exists(checkpoint)) {
    trainer::Network network(info, 0, contest.config.train.shards);
    trainer::load_checkpoint(checkpoint, network);
    const trainer::DeployedModel model = make_model(contest, pricing, data, network, results);
    const std::filesystem::path output = contest.config.output;
    trainer::save_model(model, std::filesystem::path(output).replace_extension(".bsm"));
    trainer::IntegerNetwork deployed(model, kTestBatch);
    const trainer::DataPart test = data.load_test();
    trainer::EvaluationSource images(test, kTestBatch);
    const DeployedAccuracy result = test_deployed(network, deployed, images);
    winner.deployed_test_accuracy = result.accuracy;
    winner.agreement = result.agreement;
    if (pricing.host != nullptr)
      executables.push_back({"winner", winner.policy, trainer::IntegerNetwork(model, batch)});
  } else if (pricing.host != nullptr) {
    executables.push_back(make_executable("winner", winner.policy, *pricing.host, batch));
  }
  if (executables.empty()) return;
  for (const MethodSummary& row : results.methods)
    if (row.name == "uniform8")
      executables.push_back(make_executable(row.name, row.policy, *pricing.host, batch));
  const Verification verification =
      verify_latency(*pricing.host, hwmodels::median_canary(pricing.table.canaries), executables, kRounds,
                     static_cast<std::uint64_t>(contest.config.seed), contest.reporter.progress);
  fill_measured(verification.policies.front(), winner);
  if (verification.policies.size() > 1)
    winner.measured_uniform8_ms = verification.policies.back().measured_ms;
}

}  // namespace bitsmith::experiments
