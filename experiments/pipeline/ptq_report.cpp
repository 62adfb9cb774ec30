#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/pipeline/ptq.hpp"
#include "experiments/text_table.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::experiments {
namespace {

using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.2f}", 100 * share); }
std::string decibels(double db) { return std::isinf(db) ? "exact" : fmt::format("{:.1f}", db); }

std::string steps_text(const PtqReport& report) {
  TextTable table(
      {{"step", Align::left}, {"fp32 %"}, {"quantized %"}, {"change"}, {"seconds"}, {"", Align::left}});
  const double first = report.steps.front().float_accuracy;
  for (const trainer::ptq::PtqStep& step : report.steps)
    table.add({step.name, percent(step.float_accuracy), percent(step.quantized_accuracy),
               fmt::format("{:+.2f}", 100 * (step.quantized_accuracy - first)),
               fmt::format("{:.2f}", step.seconds), step.note});
  return table.text();
}

std::string layers_text(const PtqReport& report) {
  TextTable table({{"layer", Align::left},
                   {"w bits"},
                   {"a bits"},
                   {"weights dB"},
                   {"weights cosine"},
                   {"output dB"},
                   {"output cosine"},
                   {"moved %"},
                   {"loss of nearest"}});
  for (std::size_t l = 0; l < report.errors.size(); ++l) {
    const trainer::ptq::LayerError& error = report.errors[l];
    const trainer::ptq::LayerRounding& rounding = report.roundings[l];
    const bool learnt = rounding.nearest_loss > 0;
    table.add({report.info.layers[l].name, quant::short_name(report.policy.layers[l].weight),
               quant::short_name(report.policy.layers[l].activation), decibels(error.weights.sqnr_db),
               fmt::format("{:.5f}", error.weights.cosine), decibels(error.output.sqnr_db),
               fmt::format("{:.5f}", error.output.cosine), learnt ? percent(rounding.moved) : "-",
               learnt ? fmt::format("{:.3f}", rounding.loss / rounding.nearest_loss) : "-"});
  }
  return table.text();
}

}  // namespace

std::string ptq_text(const PtqReport& report) {
  return fmt::format(
      "{}, quantized after training, seed {}; accuracy on {} validation images\n\n{}\n{}\n"
      "On integers: {:.2f} %, same class as simulated for {:.2f} % of the images\n"
      "Model: {}\n",
      report.network, report.seed, report.on_integers.images, steps_text(report), layers_text(report),
      100 * report.on_integers.accuracy, 100 * report.on_integers.agreement, report.model);
}

std::string ptq_json(const PtqReport& report) {
  Json steps = Json::array(), layers = Json::array();
  for (const trainer::ptq::PtqStep& step : report.steps)
    steps.push_back({{"name", step.name},
                     {"float_accuracy", number(step.float_accuracy)},
                     {"quantized_accuracy", number(step.quantized_accuracy)},
                     {"seconds", step.seconds},
                     {"note", step.note}});
  for (std::size_t l = 0; l < report.errors.size(); ++l) {
    const trainer::ptq::LayerError& error = report.errors[l];
    Json row{{"name", report.info.layers[l].name},
             {"weight_bits", quant::format_json<Json>(report.policy.layers[l].weight)},
             {"activation_bits", quant::format_json<Json>(report.policy.layers[l].activation)},
             {"weight_sqnr_db", number(error.weights.sqnr_db)},
             {"weight_cosine", error.weights.cosine},
             {"output_sqnr_db", number(error.output.sqnr_db)},
             {"output_cosine", error.output.cosine}};
    const trainer::ptq::LayerRounding& rounding = report.roundings[l];
    row["moved"] = rounding.moved;
    row["nearest_loss"] = rounding.nearest_loss;
    row["loss"] = rounding.loss;
    layers.push_back(std::move(row));
  }
  const Json object{{"network", report.network},
                    {"seed", report.seed},
                    {"steps", std::move(steps)},
                    {"layers", std::move(layers)},
                    {"validation_images", report.on_integers.images},
                    {"integer_accuracy", report.on_integers.accuracy},
                    {"agreement", report.on_integers.agreement},
                    {"model", report.model},
                    {"config", report.config}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bitsmith::experiments
