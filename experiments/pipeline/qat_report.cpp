#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/pipeline/qat.hpp"
#include "experiments/text_table.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::experiments {
namespace {

using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.2f}", 100 * share); }

std::string curve_text(const QatReport& report) {
  TextTable table({{"epoch"}, {"loss"}, {"validation %"}});
  table.add({"0", "-", percent(report.calibrated_accuracy)});
  for (const TrainingPoint& point : report.curve)
    table.add({fmt::format("{:.4g}", point.epoch), fmt::format("{:.4f}", point.loss),
               percent(point.validation_accuracy)});
  return table.text();
}

std::string layers_text(const QatReport& report) {
  TextTable table({{"layer", Align::left},
                   {"w bits"},
                   {"a bits"},
                   {"weights by", Align::left},
                   {"input by", Align::left}});
  for (std::size_t l = 0; l < report.info.layers.size(); ++l)
    table.add({report.info.layers[l].name, quant::short_name(report.policy.layers[l].weight),
               quant::short_name(report.policy.layers[l].activation), report.methods[l].first,
               report.methods[l].second});
  return table.text();
}

void add_accuracy(TextTable& table, const char* images, const QatAccuracy& accuracy) {
  const bool integers = accuracy.on_integers.has_value();
  table.add({images, percent(accuracy.fp32), percent(accuracy.simulated),
             integers ? percent(accuracy.on_integers->accuracy) : "-",
             integers ? percent(accuracy.on_integers->agreement) : "-"});
}

std::string accuracy_text(const QatReport& report) {
  TextTable table({{"images", Align::left}, {"fp32 %"}, {"simulated %"}, {"integers %"}, {"same class %"}});
  add_accuracy(table, "validation", report.validation);
  add_accuracy(table, "test", report.test);
  return table.text();
}

Json accuracy_json(const QatAccuracy& accuracy) {
  Json object{{"fp32", number(accuracy.fp32)}, {"simulated", number(accuracy.simulated)}};
  object["integers"] = accuracy.on_integers ? Json(accuracy.on_integers->accuracy) : Json(nullptr);
  object["agreement"] = accuracy.on_integers ? Json(accuracy.on_integers->agreement) : Json(nullptr);
  return object;
}

const char* start_name(QatStart from) { return from == QatStart::trained ? "trained" : "scratch"; }

}  // namespace

std::string qat_text(const QatReport& report) {
  return fmt::format(
      "{}, trained under quantization from {}, seed {}\n\n{}\n{}\n{}\n{}\n", report.info.name,
      report.from == QatStart::trained ? "the trained network" : "scratch", report.seed, layers_text(report),
      curve_text(report), accuracy_text(report),
      report.model.empty() ? "Not deployed: " + report.not_deployed : "Model: " + report.model);
}

std::string qat_json(const QatReport& report) {
  Json curve = Json::array(), layers = Json::array();
  for (const TrainingPoint& point : report.curve)
    curve.push_back({{"epoch", point.epoch},
                     {"loss", number(point.loss)},
                     {"validation_accuracy", number(point.validation_accuracy)}});
  for (std::size_t l = 0; l < report.info.layers.size(); ++l)
    layers.push_back({{"name", report.info.layers[l].name},
                      {"weight_bits", quant::format_json<Json>(report.policy.layers[l].weight)},
                      {"activation_bits", quant::format_json<Json>(report.policy.layers[l].activation)},
                      {"weight_method", report.methods[l].first},
                      {"activation_method", report.methods[l].second}});
  const Json object{{"network", report.info.name},
                    {"seed", report.seed},
                    {"from", start_name(report.from)},
                    {"calibrated_accuracy", number(report.calibrated_accuracy)},
                    {"curve", std::move(curve)},
                    {"validation", accuracy_json(report.validation)},
                    {"test", accuracy_json(report.test)},
                    {"layers", std::move(layers)},
                    {"model", report.model.empty() ? Json(nullptr) : Json(report.model)},
                    {"not_deployed", report.not_deployed.empty() ? Json(nullptr) : Json(report.not_deployed)},
                    {"config", report.config}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bitsmith::experiments
