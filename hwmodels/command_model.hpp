#pragma once

#include <future>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hwmodels/cost_model.hpp"
#include "hwmodels/options.hpp"
#include "quant/base/json_question.hpp"

namespace bitsmith::hwmodels {

/// A user's own program as hardware. Per policy it is started once and gets one JSON object on standard
/// input:
///
///   {"version": 1, "network": "resnet20", "layers": [
///     {"name": "conv1", "kind": "conv", "weight_bits": 4, "activation_bits": 8, "macs": 442368, "weights":
///     432,
///      "input": [3, 32, 32], "output": [16, 32, 32], "kernel": [3, 3], "stride": [1, 1], "groups": 1}, ...]}
///
/// `kind` is conv, depthwise or linear; bits are 1..8, or 32 for fp32 (other formats:
/// quant::put_bits); `macs` are multiply-accumulates per
/// image; shapes are channels, height, width. It answers one JSON object of finite numbers >= 0, `latency_ms`
/// (milliseconds per image) among them: {"latency_ms": 1.25, "energy_mj": 0.3}. The names are the model's
/// metrics; they are fixed by the first answer, to every layer at 8 bits, and later answers must have the
/// same.
///
/// Answers are kept per policy, so equal questions are asked once. Failures are UserErrors that say how each
/// attempt failed (see base::JsonProgram), and are not kept.
class CommandModel : public CostModel {
 public:
  /// Asks the first question: throws UserError when the program cannot answer it.
  CommandModel(const CommandOptions& options, const quant::NetworkInfo& network);
  ~CommandModel() override;

  std::string name() const override { return "command"; }
  std::span<const Metric> metrics() const override { return metrics_; }
  /// `network` must be the one given to the constructor. May take as long as the program does.
  Cost price(const quant::NetworkInfo& network, const quant::Policy& policy) const override;
  bool is_cheap() const override { return false; }
  /// Of the command, of the files among its words (a script that is changed is another device), and the
  /// answer at 8 bits.
  std::string fingerprint() const override { return fingerprint_; }

 private:
  std::vector<double> ask(const quant::NetworkInfo& network, const quant::Policy& policy) const;

  std::uint64_t network_hash_;
  base::JsonProgram program_;
  std::vector<Metric> metrics_;
  std::string fingerprint_;
  mutable std::mutex mutex_;
  mutable std::map<std::vector<quant::LayerFormats>, std::shared_future<std::vector<double>>> answers_;
};

/// The question, for documentation and tests.
nlohmann::json device_question(const quant::NetworkInfo& network, const quant::Policy& policy);

}  // namespace bitsmith::hwmodels
