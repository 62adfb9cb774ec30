#include "search/command_evaluator.hpp"

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/hash.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::search {
namespace {

constexpr double kHighestCrossEntropy = 1e6;
constexpr std::size_t kHashedFileBytes = std::size_t{16} << 20;

nlohmann::json question(const quant::NetworkInfo& network, const quant::Policy& policy) {
  nlohmann::json layers = nlohmann::json::array();
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    nlohmann::json layer{{"name", network.layers[i].name}};
    quant::put_bits(policy.layers[i], layer);
    layers.push_back(std::move(layer));
  }
  return {{"version", 1}, {"network", network.name}, {"layers", layers}};
}

Evaluation read(const nlohmann::json& answer) {
  Evaluation evaluation;
  evaluation.accuracy = base::finite_number(answer, "accuracy", 0.0, 1.0);
  evaluation.cross_entropy = answer.contains("cross_entropy")
                                 ? base::finite_number(answer, "cross_entropy", 0.0, kHighestCrossEntropy)
                                 : std::numeric_limits<double>::quiet_NaN();
  return evaluation;
}

}  // namespace

CommandEvaluator::CommandEvaluator(const quant::NetworkInfo& network, const hwmodels::CommandOptions& options)
    : network_(network),
      program_({options.command, options.timeout_s, options.retries, options.parallel}, "evaluator",
               R"({"accuracy": 0..1} (a share, not percent), optionally with "cross_entropy": >= 0)") {}

Evaluation CommandEvaluator::evaluate(const quant::Policy& policy) {
  base::require(policy.layers.size() == network_.layers.size(), "a policy of another network");
  return read(program_.ask(question(network_, policy), [](const nlohmann::json& answer) { read(answer); }));
}

std::string CommandEvaluator::fingerprint() const {
  base::Hasher hasher;
  hasher.add(network_.hash());
  for (const std::string& argument : program_.options().command) {
    hasher.add(argument);
    std::error_code error;
    if (!std::filesystem::is_regular_file(argument, error)) continue;
    const auto bytes = std::filesystem::file_size(argument, error);
    if (error || bytes > kHashedFileBytes) continue;
    try {
      hasher.add(base::read_file(argument));
    } catch (const base::UserError&) {
      // Not readable by us, though perhaps by the program: its name must do.
    }
  }
  return hasher.hex();
}

}  // namespace bitsmith::search
