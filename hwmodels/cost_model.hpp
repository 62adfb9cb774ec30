#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/plan.hpp"

namespace bitsmith::hwmodels {

/// What a model can say of a policy, e.g. {"latency_ms", "ms"}, {"size_kib", "KiB"}, {"gbops", "G"}.
struct Metric {
  std::string name;
  std::string unit;
};

/// One policy's price. totals[i] belongs to CostModel::metrics()[i], and so does values[i] of every row. A
/// model that prices plans has one row in `steps` per step of the plan; one that knows what part of the price
/// is a layer's own has one row in `layers` per NetworkInfo::layers (their sum may be less than the total:
/// pooling, additions, conversions). Either may be empty. All values are finite and >= 0.
struct Cost {
  struct StepCost {
    std::vector<double> values;
    std::string kernel;  ///< that was priced; empty where there is none
  };
  std::vector<double> totals;
  std::vector<StepCost> steps;
  std::vector<StepCost> layers;
};

/// Prices policies on one piece of hardware. Thread-safe after construction. Never trains, never chooses.
class CostModel {
 public:
  virtual ~CostModel() = default;
  virtual std::string name() const = 0;
  virtual std::span<const Metric> metrics() const = 0;
  virtual Cost price(const quant::NetworkInfo& network, const quant::Policy& policy) const = 0;
  /// Whether price() is cheap (microseconds), so that searches may call it freely; false for a user's own
  /// program.
  virtual bool is_cheap() const { return true; }
  /// Whether every total is a sum of one term per layer that depends on that layer's bits alone. Only then
  /// can a search prove that no policy meets a budget.
  virtual bool is_sum_over_layers() const { return false; }
  /// Of everything a price depends on: part of a run's identity.
  virtual std::string fingerprint() const = 0;
};

/// Several models side by side: metrics and costs are the models' own, one after the other.
class CostModels {
 public:
  explicit CostModels(std::vector<std::unique_ptr<CostModel>> models);

  std::span<const std::unique_ptr<CostModel>> models() const { return models_; }
  std::span<const Metric> metrics() const { return metrics_; }
  int find_metric(std::string_view name) const;  ///< index, or -1
  /// Totals of every model, in the order of metrics().
  std::vector<double> totals(const quant::NetworkInfo& network, const quant::Policy& policy) const;
  bool is_cheap() const;
  bool is_sum_over_layers(std::size_t metric) const;  ///< of the model that the metric belongs to
  std::string fingerprint() const;

 private:
  std::vector<std::unique_ptr<CostModel>> models_;
  std::vector<Metric> metrics_;
  std::vector<const CostModel*> model_of_;  ///< per metric
};

}  // namespace bitsmith::hwmodels
