#include "experiments/report_terminal.hpp"

#include <fmt/format.h>

#include <cmath>

#include "experiments/text_table.hpp"
#include "experiments/verdict.hpp"

namespace bitsmith::experiments {

namespace {

using Align = TextTable::Align;

std::string value_text(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
}

std::string percent(double share) { return std::isfinite(share) ? fmt::format("{:.2f}", 100 * share) : "-"; }

/// Three to four significant digits over the range of sizes and times that networks have.
std::string amount(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size >= 100 ? 1 : size >= 1 ? 2 : 4);
}

std::string bar(double share) {
  constexpr int full_width = 24;
  if (!std::isfinite(share)) return {};
  std::string text;
  for (int i = 0; i < static_cast<int>(std::lround(share * full_width)); ++i) text += "█";
  return text;
}

std::string methods_table(const RunResults& results) {
  TextTable table({{"method", Align::left},
                   {"in budget", Align::left},
                   {"validation %"},
                   {"test %"},
                   {"latency ms"},
                   {"size KiB"},
                   {"GBOPs"},
                   {"w bits"},
                   {"a bits"},
                   {"evaluations"}});
  for (const MethodSummary& method : results.methods) {
    const std::string mark = method.name == results.winner.method ? " *" : "";
    table.add({method.name + mark, method.within_budget ? "yes" : "no", percent(method.validation_accuracy),
               percent(method.test_accuracy), amount(method.latency_ms), amount(method.size_kib),
               amount(method.gbops), value_text(method.mean_weight_bits, 2),
               value_text(method.mean_activation_bits, 2),
               method.evaluations < 0 ? "-" : std::to_string(method.evaluations)});
  }
  return table.text();
}

std::string constraints_table(const RunResults& results) {
  TextTable table({{"constraint", Align::left},
                   {"bound", Align::left},
                   {"limit"},
                   {"winner"},
                   {"unit", Align::left},
                   {"met", Align::left}});
  for (const ConstraintResult& row : results.constraints) {
    const std::string met = std::isfinite(row.value) ? (row.met ? "yes" : "NO") : "-";
    table.add({row.name, row.spec, amount(row.limit), amount(row.value), row.unit, met});
  }
  return table.text();
}

std::string winner_table(const RunResults& results) {
  const Winner& winner = results.winner;
  TextTable table({{"layer", Align::left},
                   {"kind", Align::left},
                   {"weights"},
                   {"w bits"},
                   {"a bits"},
                   {"kernel", Align::left},
                   {"us"},
                   {"measured us"},
                   {"share %"},
                   {"", Align::left}});
  double total = winner.other_microseconds;
  for (std::size_t i = 0; i < winner.layers.size(); ++i) {
    const quant::LayerInfo& layer = results.layers[i];
    const LayerCost& cost = winner.layers[i];
    total += cost.microseconds;
    table.add({layer.name, std::string(quant::layer_kind_name(layer.kind)), std::to_string(layer.weights()),
               quant::short_name(winner.policy.layers[i].weight),
               quant::short_name(winner.policy.layers[i].activation), cost.kernel.empty() ? "-" : cost.kernel,
               value_text(cost.microseconds, 1), value_text(cost.measured_microseconds, 1),
               std::isfinite(cost.share) ? fmt::format("{:.1f}", 100 * cost.share) : "-", bar(cost.share)});
  }
  if (std::isfinite(total) && total > 0) {
    const double share = winner.other_microseconds / total;
    table.add({"(between layers)", "", "", "", "", "", value_text(winner.other_microseconds, 1),
               value_text(winner.measured_other_microseconds, 1), fmt::format("{:.1f}", 100 * share),
               bar(share)});
  }
  return table.text();
}

/// Predicted beside executed, simulated beside deployed.
std::string proof(const RunResults& results) {
  const Winner& winner = results.winner;
  std::string text;
  if (std::isfinite(winner.predicted_ms) && std::isfinite(winner.measured_ms))
    text += fmt::format("Latency of the winner: predicted {:.4f} ms, measured {:.4f} ms ({:+.1f} %)\n",
                        winner.predicted_ms, winner.measured_ms,
                        100 * (winner.measured_ms / winner.predicted_ms - 1));
  if (std::isfinite(winner.measured_uniform8_ms))
    text +=
        fmt::format("Uniform 8 bit in the same rounds: measured {:.4f} ms; the winner takes {:.3f} of it\n",
                    winner.measured_uniform8_ms, winner.measured_ms / winner.measured_uniform8_ms);
  if (std::isfinite(winner.deployed_test_accuracy))
    text += fmt::format("Deployed on integers: test {} %, same class as in training for {} % of the images\n",
                        percent(winner.deployed_test_accuracy), percent(winner.agreement));
  const std::string verdict = latency_verdict(results);
  if (!verdict.empty()) text += verdict + "\n";
  return text;
}

std::string duration(double seconds) {
  return seconds < 60 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.1f} min", seconds / 60);
}

}  // namespace

std::string terminal_report(const RunResults& results) {
  std::string text;
  if (!results.methods.empty())
    text += "Methods compared (" + results.network + ")\n" + methods_table(results) + "\n";
  if (!results.constraints.empty()) text += "Constraints\n" + constraints_table(results) + "\n";
  if (!results.winner.method.empty())
    text += "Winner: " + results.winner.method + ", layer by layer\n" + winner_table(results) + "\n" +
            proof(results);
  if (!results.training.empty()) {
    const TrainingPoint& last = results.training.back();
    text += fmt::format("Training: {:g} epochs, loss {}", last.epoch, value_text(last.loss, 4));
    if (std::isfinite(last.validation_accuracy))
      text += fmt::format(", validation {} %", percent(last.validation_accuracy));
    text += "\n";
  }
  if (!results.stages.empty()) {
    std::string stages;
    for (const StageTime& stage : results.stages)
      stages += fmt::format("{}{} {}", stages.empty() ? "" : ", ", stage.name, duration(stage.wall_s));
    text += "Time: " + stages + "\n";
  }
  text += fmt::format("bitsmith {} on {}, seed {}", results.provenance.version, results.provenance.cpu,
                      results.provenance.seed);
  if (!results.identity.empty()) text += ", identity " + results.identity;
  text += "\n";
  return text;
}

}  // namespace bitsmith::experiments
