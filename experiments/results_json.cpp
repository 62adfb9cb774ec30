#include "experiments/results_json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/verdict.hpp"
#include "quant/base/file.hpp"
#include "quant/base/yaml.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::experiments {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json shape(const quant::Shape& size) { return {size.channels, size.height, size.width}; }

void add_policy(Json& row, const quant::Policy& policy) {
  Json weight = Json::array(), activation = Json::array();
  for (const quant::LayerFormats& bits : policy.layers) {
    weight.push_back(quant::format_json<Json>(bits.weight));
    activation.push_back(quant::format_json<Json>(bits.activation));
  }
  row["weight_bits"] = std::move(weight);
  row["activation_bits"] = std::move(activation);
}

template <class Rows, class ToJson>
Json list(const Rows& rows, ToJson to_json) {
  Json array = Json::array();
  for (const auto& row : rows) array.push_back(to_json(row));
  return array;
}

Json point_json(const TrainingPoint& point) {
  Json row;
  row["epoch"] = number(point.epoch);
  row["learning_rate"] = number(point.learning_rate);
  row["loss"] = number(point.loss);
  row["accuracy"] = number(point.accuracy);
  row["validation_loss"] = number(point.validation_loss);
  row["validation_accuracy"] = number(point.validation_accuracy);
  return row;
}

Json method_json(const MethodSummary& method) {
  Json row;
  row["name"] = method.name;
  row["within_budget"] = method.within_budget;
  row["validation_accuracy"] = number(method.validation_accuracy);
  row["test_accuracy"] = number(method.test_accuracy);
  row["latency_ms"] = number(method.latency_ms);
  row["size_kib"] = number(method.size_kib);
  row["gbops"] = number(method.gbops);
  row["mean_weight_bits"] = number(method.mean_weight_bits);
  row["mean_activation_bits"] = number(method.mean_activation_bits);
  row["evaluations"] = method.evaluations < 0 ? Json(nullptr) : Json(method.evaluations);
  add_policy(row, method.policy);
  row["finetuning"] = list(method.finetuning, point_json);
  return row;
}

Json winner_json(const RunResults& results) {
  const Winner& winner = results.winner;
  if (winner.method.empty()) return nullptr;
  Json object;
  object["method"] = winner.method;
  Json layers = Json::array();
  for (std::size_t i = 0; i < winner.layers.size(); ++i) {
    Json row;
    row["name"] = results.layers[i].name;
    row["weight_bits"] = quant::format_json<Json>(winner.policy.layers[i].weight);
    row["activation_bits"] = quant::format_json<Json>(winner.policy.layers[i].activation);
    row["kernel"] = winner.layers[i].kernel.empty() ? Json(nullptr) : Json(winner.layers[i].kernel);
    row["microseconds"] = number(winner.layers[i].microseconds);
    row["share"] = number(winner.layers[i].share);
    row["measured_microseconds"] = number(winner.layers[i].measured_microseconds);
    layers.push_back(std::move(row));
  }
  object["layers"] = std::move(layers);
  object["other_microseconds"] = number(winner.other_microseconds);
  object["measured_other_microseconds"] = number(winner.measured_other_microseconds);
  object["predicted_ms"] = number(winner.predicted_ms);
  object["measured_ms"] = number(winner.measured_ms);
  object["measured_uniform8_ms"] = number(winner.measured_uniform8_ms);
  object["deployed_test_accuracy"] = number(winner.deployed_test_accuracy);
  object["agreement"] = number(winner.agreement);
  object["verdict"] = latency_verdict(results);
  return object;
}

Json constraint_json(const ConstraintResult& constraint) {
  Json row;
  row["name"] = constraint.name;
  row["spec"] = constraint.spec;
  row["metric"] = constraint.metric;
  row["unit"] = constraint.unit;
  row["limit"] = number(constraint.limit);
  row["value"] = number(constraint.value);
  row["met"] = constraint.met;
  return row;
}

Json layer_json(const quant::LayerInfo& layer) {
  Json row;
  row["name"] = layer.name;
  row["kind"] = quant::layer_kind_name(layer.kind);
  row["input"] = shape(layer.input);
  row["output"] = shape(layer.output);
  row["weights"] = layer.weights();
  row["macs"] = layer.macs();
  return row;
}

Json provenance_json(const RunResults& results) {
  const Provenance& provenance = results.provenance;
  Json object;
  object["version"] = provenance.version;
  object["git"] = provenance.git;
  object["cpu"] = provenance.cpu;
  object["isa"] = provenance.isa;
  object["threads"] = provenance.threads;
  object["seed"] = provenance.seed;
  object["started"] = provenance.started;
  object["finished"] = provenance.finished;
  object["identity"] = results.identity;
  object["price_table_hash"] = results.price_table_hash;
  Json libraries = Json::object();
  for (const auto& [name, version] : provenance.libraries) libraries[name] = version;
  object["libraries"] = std::move(libraries);
  return object;
}

Json summary(const RunResults& results) {
  Json object;
  object["network"] = results.network;
  object["methods"] = list(results.methods, method_json);
  object["winner"] = winner_json(results);
  object["constraints"] = list(results.constraints, constraint_json);
  object["layers"] = list(results.layers, layer_json);
  object["training"] = list(results.training, point_json);
  object["stages"] = list(results.stages, [](const StageTime& stage) {
    Json row;
    row["name"] = stage.name;
    row["wall_s"] = number(stage.wall_s);
    row["cpu_s"] = number(stage.cpu_s);
    return row;
  });
  object["provenance"] = provenance_json(results);
  return object;
}

Json search_json(const SearchHistory& history, const std::vector<hwmodels::Metric>& metrics) {
  Json object;
  object["method"] = history.method;
  object["episodes"] = list(history.episodes, [&](const search::EpisodeRecord& episode) {
    Json row;
    row["episode"] = episode.episode;
    row["accuracy"] = number(episode.evaluation.accuracy);
    row["cross_entropy"] = number(episode.evaluation.cross_entropy);
    row["reward"] = number(episode.reward);
    row["cached"] = episode.cached;
    for (std::size_t i = 0; i < metrics.size(); ++i) row["costs"][metrics[i].name] = number(episode.costs[i]);
    add_policy(row, episode.policy);
    return row;
  });
  return object;
}

base::YamlNode to_yaml(const Json& json) {
  if (json.is_null()) return base::yaml_null();
  if (json.is_boolean()) return base::yaml_bool(json.get<bool>());
  if (json.is_number_integer()) return base::yaml_number(json.get<std::int64_t>());
  if (json.is_number()) return base::yaml_number(json.get<double>());
  if (json.is_string()) return base::yaml_string(json.get<std::string>());
  if (json.is_array()) {
    std::vector<base::YamlNode> items;
    for (const Json& item : json) items.push_back(to_yaml(item));
    return base::yaml_list(std::move(items));
  }
  base::YamlNode map = base::yaml_map();
  for (const auto& [key, value] : json.items()) base::yaml_add(map, key, to_yaml(value));
  return map;
}

}  // namespace

std::string results_json(const RunResults& results) {
  Json object = summary(results);
  object["searches"] = list(
      results.searches, [&](const SearchHistory& history) { return search_json(history, results.metrics); });
  object["training_steps"]["stride"] = results.training_steps.stride;
  object["training_steps"]["loss"] =
      list(results.training_steps.losses, [](float loss) { return number(static_cast<double>(loss)); });
  object["config"] = results.config;
  // Names may come from files; what is not UTF-8 is shown as U+FFFD.
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string results_yaml(const RunResults& results) { return base::yaml_text(to_yaml(summary(results))); }

void write_results_yaml(const std::filesystem::path& path, const RunResults& results) {
  base::replace_file(path, results_yaml(results));
}

}  // namespace bitsmith::experiments
