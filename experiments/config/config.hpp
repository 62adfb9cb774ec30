#pragma once

#include <string>
#include <vector>

#include "experiments/config/constraint.hpp"
#include "hwmodels/options.hpp"
#include "quant/options.hpp"
#include "search/options.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/options.hpp"
#include "trainer/ptq/options.hpp"

namespace bitsmith::experiments {

struct NetworkOptions {
  std::string name;         ///< a built-in network; empty: as described
  std::string file;         ///< YAML of a description
  std::string model;        ///< ONNX file in place of the two
  std::string description;  ///< the text of `file`, or what `model` contains as a hash, read when the
                            ///< configuration is: what results keep, and identify by
  bool trained = true;      ///< `model`: its weights are; else training begins with them
  double width = 1;         ///< multiplies the channels of networks that come in several widths
  trainer::Joins joins = trainer::Joins::fp32;
  std::string weights;     ///< .npz file of trained weights by layer name; empty: trained here
  std::string checkpoint;  ///< HDF5 checkpoint of trained weights; empty: trained here
};

/// What post-training quantization does with activations.
enum class PtqMode { weight_only, fixed_scales, dynamic_scales };

/// `bitsmith ptq`: which bits, and the steps.
struct PtqConfig {
  PtqMode mode = PtqMode::fixed_scales;
  quant::Format weights = 4;      ///< quantization.first_layer_bits and last_layer_bits stand above it
  quant::Format activations = 8;  ///< likewise
  std::string policy;             ///< YAML of a policy, in place of these two; empty: none
  trainer::ptq::PtqOptions steps;
};

enum class QatStart { trained, scratch };

/// `bitsmith qat`: which bits, and from where; `finetune` says how it trains, `quantization` by which
/// methods.
struct QatConfig {
  QatStart from = QatStart::trained;
  quant::Format weights = 4;        ///< quantization.first_layer_bits and last_layer_bits stand above it
  quant::Format activations = 4;    ///< likewise
  std::string policy;               ///< YAML of a policy, in place of these two; empty: none
  int recalibration_images = 2048;  ///< for batch-norm statistics at the end; 0: keep those of training
};

/// Who says what accuracy a policy leaves: the built-in evaluator, or `program` when it has a command.
struct EvaluatorConfig {
  search::EvaluatorOptions builtin;
  hwmodels::CommandOptions program;
};

/// Who says what a policy costs: built-in models, and `program` too when it has a command.
struct HardwareConfig {
  std::vector<std::string> models = {"size", "bops", "host"};
  hwmodels::HostOptions host;
  hwmodels::CommandOptions program;

  bool has_model(const std::string& name) const;
};

/// The defaults of the winner's fine-tune: a few epochs at a low rate, starting from a trained network.
trainer::TrainOptions default_finetune_options();

/// One experiment: everything its result is a function of, beside the data files and the price table.
struct Config {
  int seed = 1;
  std::string
      output;  ///< HDF5 results; load_config() derives it from the config file's name when it is not given
  int threads = 0;
  NetworkOptions network;
  trainer::DataOptions data;
  trainer::TrainOptions train;
  quant::QuantizationOptions quantization;
  PtqConfig ptq;
  QatConfig qat;
  EvaluatorConfig evaluator;
  HardwareConfig hardware;
  std::vector<Constraint> constraints;  ///< in the config's order, names unique
  search::SearchOptions search;
  trainer::TrainOptions finetune = default_finetune_options();
};

}  // namespace bitsmith::experiments
