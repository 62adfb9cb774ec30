#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "hwmodels/cost_model.hpp"
#include "quant/network_info.hpp"
#include "quant/policy.hpp"
#include "search/policy_search.hpp"

namespace bitsmith::experiments {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// Where and how a result came about.
struct Provenance {
  std::string version;  ///< of this program
  std::string git;      ///< revision of the sources when the build was configured; empty when unknown
  std::string cpu;      ///< model name
  std::string isa;      ///< of the kernels used
  int threads = 0;
  int seed = 0;
  std::string started, finished;                               ///< ISO 8601, UTC
  std::vector<std::pair<std::string, std::string>> libraries;  ///< name, version
};

struct StageTime {
  std::string name;
  double wall_s = 0.0, cpu_s = 0.0;
};

/// One point of a training's learning curve; NaN where it was not measured.
struct TrainingPoint {
  double epoch = 0.0;
  double learning_rate = kUnknown;    ///< of the epoch's last step
  double loss = kUnknown;             ///< mean over the epoch
  double accuracy = kUnknown;         ///< on the training images as they were seen, augmented
  double validation_loss = kUnknown;  ///< cross-entropy
  double validation_accuracy = kUnknown;
};

/// The fp32 training's loss, step by step.
struct TrainingSteps {
  std::int64_t stride = 1;    ///< steps per entry
  std::vector<float> losses;  ///< means over `stride` steps each
};

struct ConstraintResult {
  std::string name;    ///< as configured: size, bops, latency ...
  std::string spec;    ///< as configured: "0.5x", "1.2 ms"
  std::string metric;  ///< of the cost model
  std::string unit;
  double limit = kUnknown;  ///< absolute
  double value = kUnknown;  ///< of the winner
  bool met = false;
};

/// All episodes of one search, in order; their costs are in the order of RunResults::metrics.
struct SearchHistory {
  std::string method;
  std::vector<search::EpisodeRecord> episodes;
};

/// One row of the summary. Accuracies are 0..1; what does not apply is NaN (evaluations: -1).
struct MethodSummary {
  std::string name;
  bool within_budget = false;
  double validation_accuracy = kUnknown;
  double test_accuracy = kUnknown;
  double latency_ms = kUnknown;
  double size_kib = kUnknown;
  double gbops = kUnknown;
  double mean_weight_bits = kUnknown;
  double mean_activation_bits = kUnknown;
  int evaluations = -1;                   ///< candidate policies evaluated to find it
  quant::Policy policy;                   ///< no layers: the method found none
  std::vector<TrainingPoint> finetuning;  ///< the policy's long fine-tune; empty where there was none
};

/// What one layer of the winner costs.
struct LayerCost {
  std::string kernel;                       ///< that was priced; empty when latency was not
  double microseconds = kUnknown;           ///< predicted
  double share = kUnknown;                  ///< of the network's latency, 0..1
  double measured_microseconds = kUnknown;  ///< of the kernel within the network, executed
};

struct Winner {
  std::string method;  ///< a MethodSummary::name; empty when no search has been made
  quant::Policy policy;
  std::vector<LayerCost> layers;         ///< one per layer
  double other_microseconds = kUnknown;  ///< steps that are no layer: pooling, additions, conversions
  double measured_other_microseconds = kUnknown;
  double predicted_ms = kUnknown,
         measured_ms = kUnknown;             ///< a batch through the whole network: priced, executed
  double measured_uniform8_ms = kUnknown;    ///< uniform 8 bit, executed in the same rounds
  double deployed_test_accuracy = kUnknown;  ///< of the integer network
  double agreement = kUnknown;  ///< share of test images to which it and the simulation give the same class
};

/// Everything that a run has found; a run that was stopped after some stage has the parts of the later ones
/// empty.
struct RunResults {
  std::string config;            ///< resolved, YAML
  std::string identity;          ///< config_identity() of it
  std::string price_table_hash;  ///< empty when nothing was measured
  Provenance provenance;
  std::vector<StageTime> stages;
  std::string network;
  std::vector<quant::LayerInfo> layers;
  std::vector<hwmodels::Metric> metrics;
  std::vector<ConstraintResult> constraints;
  std::vector<TrainingPoint> training;
  TrainingSteps training_steps;
  std::vector<SearchHistory> searches;
  std::vector<MethodSummary> methods;
  Winner winner;
};

}  // namespace bitsmith::experiments
