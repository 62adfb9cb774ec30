#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "experiments/text_table.hpp"
#include "experiments/verification.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::experiments {

std::string verification_text(const Verification& verification) {
  using Align = TextTable::Align;
  TextTable table({{"policy", Align::left}, {"predicted ms"}, {"measured ms"}, {"error %"}});
  for (const VerifiedPolicy& row : verification.policies)
    table.add({row.label, fmt::format("{:.4f}", row.predicted_ms), fmt::format("{:.4f}", row.measured_ms),
               fmt::format("{:+.1f}", 100 * row.error())});
  const VerifiedPolicy& first = verification.policies.front();
  TextTable steps({{"step of " + first.label, Align::left},
                   {"kernel", Align::left},
                   {"predicted us"},
                   {"measured us"},
                   {"error %"}});
  for (const VerifiedStep& step : first.steps)
    steps.add({step.name, step.kernel, fmt::format("{:.2f}", step.predicted_us),
               fmt::format("{:.2f}", step.measured_us),
               fmt::format("{:+.0f}", 100 * (step.measured_us / step.predicted_us - 1))});
  return fmt::format(
      "{}\n{}\nBatch {}, {} rounds: median error {:.1f} %, worst {:.1f} %; clock {:.3f} of the table's\n",
      steps.text(), table.text(), verification.batch, verification.rounds, 100 * verification.median_error(),
      100 * verification.worst_error(), verification.clock);
}

std::string verification_json(const Verification& verification, const quant::NetworkInfo& network) {
  using Json = nlohmann::ordered_json;
  Json object{{"network", network.name},
              {"batch", verification.batch},
              {"rounds", verification.rounds},
              {"clock", verification.clock},
              {"median_error", verification.median_error()},
              {"worst_error", verification.worst_error()},
              {"policies", Json::array()}};
  for (const VerifiedPolicy& row : verification.policies) {
    Json policy{{"label", row.label},
                {"predicted_ms", row.predicted_ms},
                {"measured_ms", row.measured_ms},
                {"error", row.error()}};
    for (const quant::LayerFormats& bits : row.policy.layers) {
      policy["weight_bits"].push_back(quant::format_json<nlohmann::ordered_json>(bits.weight));
      policy["activation_bits"].push_back(quant::format_json<nlohmann::ordered_json>(bits.activation));
    }
    policy["steps"] = Json::array();
    for (const VerifiedStep& step : row.steps)
      policy["steps"].push_back({{"name", step.name},
                                 {"kernel", step.kernel},
                                 {"predicted_us", step.predicted_us},
                                 {"measured_us", step.measured_us}});
    object["policies"].push_back(std::move(policy));
  }
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bitsmith::experiments
