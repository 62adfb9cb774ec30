#include "search/constraint.hpp"

#include <fmt/format.h>

#include <cmath>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"

namespace bitsmith::search {

std::string Constraint::describe() const {
  std::string text = fmt::format("{} <= {:.6g} {}", name, limit, unit);
  if (relative_to > 0) text += fmt::format(" ({:.4g}x of uniform 8 bit)", limit / relative_to);
  return text;
}

quant::Policy uniform_8bit(const quant::NetworkInfo& network, const ActionSpace& space) {
  return space.pin_layers(quant::uniform_policy(network, {8, 8}));
}

std::vector<Constraint> resolve(std::span<const ConstraintSpec> specs, const quant::NetworkInfo& network,
                                const ActionSpace& space, const hwmodels::CostModels& models) {
  std::vector<std::string> names;
  for (const hwmodels::Metric& metric : models.metrics()) names.push_back(metric.name);
  std::vector<double> yardstick;
  std::vector<Constraint> constraints;
  for (const ConstraintSpec& spec : specs) {
    const int index = models.find_metric(spec.metric);
    if (index < 0) {
      throw base::UserError(
          fmt::format("constraint on '{}': no cost model has such a metric{}; there are: {}", spec.metric,
                      base::did_you_mean(spec.metric, names), base::join_names(names)));
    }
    if (!std::isfinite(spec.value) || spec.value <= 0) {
      throw base::UserError(
          fmt::format("constraint on '{}': got {:g}, allowed is a positive number", spec.metric, spec.value));
    }
    Constraint constraint;
    constraint.metric = static_cast<std::size_t>(index);
    constraint.name = models.metrics()[constraint.metric].name;
    constraint.unit = models.metrics()[constraint.metric].unit;
    constraint.limit = spec.value;
    for (const Constraint& other : constraints) {
      if (other.metric == constraint.metric) {
        throw base::UserError(fmt::format("constraint on '{}': given twice", spec.metric));
      }
    }
    if (spec.relative) {
      if (yardstick.empty()) yardstick = models.totals(network, uniform_8bit(network, space));
      constraint.relative_to = yardstick[constraint.metric];
      constraint.limit = spec.value * constraint.relative_to;
      if (!std::isfinite(constraint.limit) || constraint.limit <= 0) {
        throw base::UserError(
            fmt::format("constraint on '{}': {:g}x of uniform 8 bit is {:g} {}; give it in {} instead",
                        spec.metric, spec.value, constraint.limit, constraint.unit, constraint.unit));
      }
    }
    constraints.push_back(std::move(constraint));
  }
  return constraints;
}

}  // namespace bitsmith::search
