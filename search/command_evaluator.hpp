#pragma once

#include <string>

#include "hwmodels/options.hpp"
#include "quant/base/json_question.hpp"
#include "quant/network_info.hpp"
#include "search/evaluator.hpp"

namespace bitsmith::search {

/// The user's own program says what accuracy a policy leaves; experiments/examples/evaluator.py is one.
///
/// On its standard input, one JSON object (32 bits is fp32; other formats: quant::put_bits):
///   {"version": 1, "network": NAME, "layers": [{"name": NAME, "weight_bits": 4, "activation_bits": 8}, ...]}
/// On its standard output, one JSON object: {"accuracy": 0..1}, and if it likes "cross_entropy": >= 0. One
/// process per policy, several at once. The answer must depend on the policy alone: it is remembered.
class CommandEvaluator : public AccuracyEvaluator {
 public:
  /// `network` must outlive the evaluator. Throws UserError for options out of range.
  CommandEvaluator(const quant::NetworkInfo& network, const hwmodels::CommandOptions& options);

  /// Throws UserError: see base::JsonProgram::ask.
  Evaluation evaluate(const quant::Policy& policy) override;
  /// Of the network, the command, and the contents of those of its arguments that are files (16 MiB at most
  /// each).
  std::string fingerprint() const override;

 private:
  const quant::NetworkInfo& network_;
  base::JsonProgram program_;
};

}  // namespace bitsmith::search
