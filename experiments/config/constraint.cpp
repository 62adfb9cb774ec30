#include "experiments/config/constraint.hpp"

#include <fmt/format.h>

#include <cmath>
#include <span>
#include <vector>

#include "quant/base/nearest.hpp"
#include "quant/base/yaml.hpp"

namespace bitsmith::experiments {

namespace {

struct Unit {
  std::string_view name;
  double factor;  ///< to the metric's own unit
};

struct BuiltinMetric {
  std::string_view name, metric, unit, example;
  std::vector<Unit> units;
};

const std::vector<BuiltinMetric>& builtin_metrics() {
  static const std::vector<BuiltinMetric> metrics = {
      {"size", "size_kib", "KiB", "120 KiB", {{"B", 1.0 / 1024}, {"KiB", 1}, {"MiB", 1024}}},
      {"bops",
       "gbops",
       "GBOPs",
       "1.5 GBOPs",
       {{"M", 1e-3}, {"G", 1}, {"T", 1e3}, {"MBOPs", 1e-3}, {"GBOPs", 1}, {"TBOPs", 1e3}}},
      {"latency", "latency_ms", "ms", "1.2 ms", {{"us", 1e-3}, {"ms", 1}, {"s", 1e3}}},
  };
  return metrics;
}

const BuiltinMetric* find_builtin(std::string_view name) {
  for (const BuiltinMetric& metric : builtin_metrics())
    if (metric.name == name) return &metric;
  return nullptr;
}

std::string unit_list(const BuiltinMetric& metric) {
  std::vector<std::string> names;
  for (const Unit& unit : metric.units) names.emplace_back(unit.name);
  return base::join_names(names);
}

/// "1.2 ms" -> {"1.2", "ms"}
std::pair<std::string_view, std::string_view> split_unit(std::string_view text) {
  std::size_t end = text.find_first_not_of("0123456789.-+");
  if (end == std::string_view::npos) end = text.size();
  const bool exponent = end + 1 < text.size() && (text[end] == 'e' || text[end] == 'E') &&
                        std::string_view("0123456789-+").find(text[end + 1]) != std::string_view::npos;
  if (exponent) {
    end = text.find_first_not_of("0123456789", end + 2);
    if (end == std::string_view::npos) end = text.size();
  }
  std::string_view unit = text.substr(end);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  return {text.substr(0, end), unit};
}

std::string allowed_text(const BuiltinMetric* metric, std::string_view name) {
  if (metric == nullptr)
    return fmt::format(
        "allowed: a factor of uniform 8 bit like 0.5x, or a number in the unit of the metric '{}'", name);
  return fmt::format("allowed: a factor of uniform 8 bit like 0.5x, or a number with a unit ({}) like {}",
                     unit_list(*metric), metric->example);
}

}  // namespace

std::string Constraint::metric() const {
  const BuiltinMetric* builtin = find_builtin(name);
  return builtin == nullptr ? name : std::string(builtin->metric);
}

std::string Constraint::text() const {
  if (relative) return base::shortest(value) + "x";
  const BuiltinMetric* builtin = find_builtin(name);
  return base::shortest(value) + (builtin == nullptr ? "" : " " + std::string(builtin->unit));
}

std::variant<Constraint, std::string> parse_constraint(std::string_view name, std::string_view text) {
  const BuiltinMetric* builtin = find_builtin(name);
  const auto refuse = [&](std::string_view hint) {
    return fmt::format("got '{}'{}, {}", text, hint, allowed_text(builtin, name));
  };
  const auto [digits, unit] = split_unit(text);
  base::YamlNode number;
  number.kind = base::YamlNode::Kind::scalar;
  number.text = digits;
  const std::optional<double> value = base::yaml_real(number);
  if (!value) return refuse("");
  if (*value <= 0) return refuse(" (not above 0)");
  if (unit == "x") return Constraint{std::string(name), *value, true};
  if (builtin == nullptr) {
    if (!unit.empty()) return refuse("");
    return Constraint{std::string(name), *value, false};
  }
  if (unit.empty()) return refuse(" without a unit");
  for (const Unit& known : builtin->units)
    if (known.name == unit && std::isfinite(*value * known.factor))
      return Constraint{std::string(name), *value * known.factor, false};
  return refuse(fmt::format(" (unknown unit '{}')", unit));
}

}  // namespace bitsmith::experiments
