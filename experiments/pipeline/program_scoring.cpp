#include <limits>

#include "experiments/pipeline/scoring.hpp"
#include "search/command_evaluator.hpp"

namespace bitsmith::experiments {
namespace {

/// A program's answer is a function of the policy, so asking again would tell nothing new.
class ProgramScoring final : public Scoring {
 public:
  ProgramScoring(const Config& config, const quant::NetworkInfo& network)
      : network_(network), evaluator_(network, config.evaluator.program) {}

  search::Evaluation fp32() override { return evaluator_.evaluate(quant::uniform_policy(network_, {})); }
  search::AccuracyEvaluator& short_evaluator() override { return evaluator_; }
  search::Evaluation fresh(const quant::Policy& policy) override { return evaluator_.evaluate(policy); }
  search::Evaluation long_finetuned(const quant::Policy& policy) override {
    return evaluator_.evaluate(policy);
  }
  std::vector<TrainingPoint> finetuning(const quant::Policy&) override { return {}; }
  double test(const quant::Policy&) override { return std::numeric_limits<double>::quiet_NaN(); }

 private:
  const quant::NetworkInfo& network_;
  search::CommandEvaluator evaluator_;
};

}  // namespace

std::unique_ptr<Scoring> make_program_scoring(const Config& config, const quant::NetworkInfo& network) {
  return std::make_unique<ProgramScoring>(config, network);
}

}  // namespace bitsmith::experiments
