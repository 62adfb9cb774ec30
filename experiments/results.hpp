#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "hwmodels/cost_model.hpp"
#include "quant/policy.hpp"
#include "search/policy_search.hpp"

namespace bitsmith::experiments {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();  ///< null in JSON

/// One row of the summary: what a way of choosing policies came to. Accuracies are shares, 0..1.
struct MethodSummary {
  std::string name;  ///< fp32, uniform8, uniform6, uniform4, uniform_best, random, agent
  bool within_budget = false;
  double search_accuracy = kUnknown;      ///< of the short evaluation, on its part of the validation images
  double validation_accuracy = kUnknown;  ///< after the long fine-tune, on all validation images
  double validation_cross_entropy = kUnknown;
  double test_accuracy = kUnknown;
  std::vector<double> costs;  ///< in the order of RunResults::metrics
  double mean_weight_bits = kUnknown, mean_activation_bits = kUnknown;
  int evaluations = 0;  ///< short evaluations that this method was given
  quant::Policy policy;
};

/// An upper bound, and what the winner made of it.
struct ConstraintResult {
  std::string text;    ///< as configured: "0.5x"
  std::string metric;  ///< name in RunResults::metrics
  double limit = kUnknown, value = kUnknown;
};

/// One layer of the winner.
struct LayerRow {
  std::string name, kind;
  int weight_bits = 0, activation_bits = 0;
  std::string kernel;             ///< that serves it on the host; empty without the host model
  double microseconds = kUnknown;  ///< predicted
  double share = kUnknown;         ///< of the plan's latency, 0..1
};

/// Every episode of one method, in order.
struct SearchHistory {
  std::string method;
  std::vector<search::EpisodeRecord> episodes;
};

struct TrainingPoint {
  double epoch = 0, loss = 0;
};

struct StageTime {
  std::string stage;
  double wall_s = 0, cpu_s = 0;
};

/// What a run leaves behind: everything that `show` prints and that the results file holds.
struct RunResults {
  std::string config_yaml;  ///< resolved
  std::string identity;     ///< of configuration, data and prices
  std::string program_version, cpu, isa, compiler, onednn, date;
  std::string price_table;  ///< fingerprint of the cost models
  std::uint64_t seed = 0;
  std::string network;
  std::vector<std::string> layers;
  std::vector<hwmodels::Metric> metrics;
  std::vector<ConstraintResult> constraints;
  std::vector<TrainingPoint> training;
  std::vector<SearchHistory> searches;
  std::vector<MethodSummary> methods;
  std::string winner;  ///< name of a method
  std::vector<LayerRow> winner_layers;
  double other_steps_microseconds = kUnknown;  ///< quantize, add and pooling steps of the winner's plan
  std::vector<StageTime> stages;

  const MethodSummary* method(std::string_view name) const {
    for (const MethodSummary& row : methods)
      if (row.name == name) return &row;
    return nullptr;
  }
  int metric(std::string_view name) const {
    for (std::size_t i = 0; i < metrics.size(); ++i)
      if (metrics[i].name == name) return static_cast<int>(i);
    return -1;
  }
};

}  // namespace bitsmith::experiments
