#include "hwmodels/cost_model.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::hwmodels {

CostModels::CostModels(std::vector<std::unique_ptr<CostModel>> models) : models_(std::move(models)) {
  for (const auto& model : models_) {
    base::require(model != nullptr, "CostModels: a model is null");
    for (const Metric& metric : model->metrics()) {
      if (find_metric(metric.name) >= 0)
        throw base::UserError(fmt::format(
            "hardware: two cost models have a metric named '{}' (the second is '{}'); names must differ",
            metric.name, model->name()));
      metrics_.push_back(metric);
      model_of_.push_back(model.get());
    }
  }
}

int CostModels::find_metric(std::string_view name) const {
  for (std::size_t i = 0; i < metrics_.size(); ++i)
    if (metrics_[i].name == name) return static_cast<int>(i);
  return -1;
}

std::vector<double> CostModels::totals(const quant::NetworkInfo& network, const quant::Policy& policy) const {
  std::vector<double> all;
  all.reserve(metrics_.size());
  for (const auto& model : models_) {
    const Cost cost = model->price(network, policy);
    base::require(cost.totals.size() == model->metrics().size(),
                  "a cost model returned another number of metrics");
    for (double value : cost.totals) {
      base::require(std::isfinite(value) && value >= 0,
                    "a cost model returned a price that is not finite and >= 0");
      all.push_back(value);
    }
  }
  return all;
}

bool CostModels::is_cheap() const {
  for (const auto& model : models_)
    if (!model->is_cheap()) return false;
  return true;
}

bool CostModels::is_sum_over_layers(std::size_t metric) const {
  return model_of_.at(metric)->is_sum_over_layers();
}

std::string CostModels::fingerprint() const {
  base::Hasher hasher;
  for (const auto& model : models_) {
    hasher.add(model->name());
    hasher.add(model->fingerprint());
  }
  return hasher.hex();
}

}  // namespace bitsmith::hwmodels
