#include "hwmodels/command_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/hash.hpp"
#include "quant/format_json.hpp"

namespace bitsmith::hwmodels {
namespace {

using nlohmann::json;

constexpr std::string_view kLatency = "latency_ms";
constexpr std::uintmax_t kMaxHashedFileBytes = std::uintmax_t{64} << 20;

struct Unit {
  std::string_view suffix, unit;
};
constexpr Unit kUnits[] = {{"_ms", "ms"}, {"_us", "us"},   {"_s", "s"},     {"_mj", "mJ"},
                           {"_uj", "uJ"}, {"_kib", "KiB"}, {"_mib", "MiB"}, {"_mw", "mW"}};

std::string unit_of(const std::string& metric) {
  for (const Unit& row : kUnits)
    if (metric.ends_with(row.suffix)) return std::string(row.unit);
  return "";
}

json shape(const quant::Shape& s) { return {s.channels, s.height, s.width}; }

double value_of(const json& answer, const std::string& name) {
  return base::finite_number(answer, name, 0.0, std::numeric_limits<double>::max());
}

bool is_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::vector<Metric> metrics_of(const json& answer) {
  std::vector<Metric> metrics = {{std::string(kLatency), "ms"}};
  for (const auto& [name, value] : answer.items())
    if (name != kLatency) metrics.push_back({name, unit_of(name)});
  return metrics;
}

void check_first(const json& answer) {
  value_of(answer, std::string(kLatency));
  for (const auto& [name, value] : answer.items()) {
    if (!is_name(name))
      throw base::UserError(fmt::format("\"{}\" is no name for a metric: letters, digits and _ are", name));
    value_of(answer, name);
  }
}

void check_names(const json& answer, std::span<const Metric> metrics) {
  for (const Metric& metric : metrics) value_of(answer, metric.name);
  if (answer.size() == metrics.size()) return;
  for (const auto& [name, value] : answer.items()) {
    const bool known =
        std::any_of(metrics.begin(), metrics.end(), [&](const Metric& m) { return m.name == name; });
    if (!known)
      throw base::UserError(fmt::format(
          "\"{}\" was not in its first answer (every layer at 8 bits); names must stay the same", name));
  }
}

void add_file(base::Hasher& hasher, const std::string& word) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(word, code)) return;
  const auto bytes = std::filesystem::file_size(word, code);
  if (code || bytes > kMaxHashedFileBytes) return;
  hasher.add(base::read_file(word, kMaxHashedFileBytes));
}

}  // namespace

json device_question(const quant::NetworkInfo& network, const quant::Policy& policy) {
  json layers = json::array();
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const quant::LayerInfo& layer = network.layers[i];
    const quant::Window& window = layer.window;
    layers.push_back({{"name", layer.name},
                      {"kind", quant::layer_kind_name(layer.kind)},
                      {"macs", layer.macs()},
                      {"weights", layer.weights()},
                      {"input", shape(layer.input)},
                      {"output", shape(layer.output)},
                      {"kernel", {window.kernel_h, window.kernel_w}},
                      {"stride", {window.stride_h, window.stride_w}},
                      {"groups", layer.groups}});
    quant::put_bits(policy.layers[i], layers.back());
  }
  return {{"version", 1}, {"network", network.name}, {"layers", std::move(layers)}};
}

CommandModel::CommandModel(const CommandOptions& options, const quant::NetworkInfo& network)
    : network_hash_(network.hash()),
      program_({options.command, options.timeout_s, options.retries, options.parallel}, "hardware",
               R"({"latency_ms": 1.25} and any further names, all with finite numbers >= 0)") {
  const quant::Policy first = quant::uniform_policy(network, {8, 8});
  const json answer = program_.ask(device_question(network, first), check_first);
  metrics_ = metrics_of(answer);
  std::vector<double> values;
  base::Hasher hasher;
  for (const std::string& word : options.command) {
    hasher.add(word);
    add_file(hasher, word);
  }
  for (const Metric& metric : metrics_) {
    values.push_back(value_of(answer, metric.name));
    hasher.add(metric.name);
    hasher.add(values.back());
  }
  fingerprint_ = hasher.hex();
  std::promise<std::vector<double>> known;
  known.set_value(std::move(values));
  answers_.emplace(first.layers, known.get_future().share());
}

CommandModel::~CommandModel() = default;

std::vector<double> CommandModel::ask(const quant::NetworkInfo& network, const quant::Policy& policy) const {
  const json answer = program_.ask(device_question(network, policy),
                                   [&](const json& candidate) { check_names(candidate, metrics_); });
  std::vector<double> values;
  for (const Metric& metric : metrics_) values.push_back(value_of(answer, metric.name));
  return values;
}

Cost CommandModel::price(const quant::NetworkInfo& network, const quant::Policy& policy) const {
  base::require(network.hash() == network_hash_, "command model: another network than it was made for");
  base::require(policy.layers.size() == network.layers.size(), "command model: policy of another network");
  std::promise<std::vector<double>> promise;
  std::shared_future<std::vector<double>> answer;
  bool mine = false;
  {
    const std::lock_guard lock(mutex_);
    auto [place, is_new] = answers_.try_emplace(policy.layers);
    if (is_new) place->second = promise.get_future().share();
    answer = place->second;
    mine = is_new;
  }
  if (mine) {
    try {
      promise.set_value(ask(network, policy));
    } catch (...) {
      {
        const std::lock_guard lock(mutex_);
        answers_.erase(policy.layers);
      }
      promise.set_exception(std::current_exception());
    }
  }
  Cost cost;
  cost.totals = answer.get();
  return cost;
}

}  // namespace bitsmith::hwmodels
