#include "experiments/config/fields.hpp"

#include "quant/base/nearest.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::experiments {

namespace {

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const trainer::NetworkRow& row : trainer::network_rows()) names.emplace_back(row.name);
  return names;
}

/// A field's meaning is a view: of a text that stays.
const std::string& meaning_of_width() {
  static const std::string meaning = [] {
    std::vector<std::string> names;
    for (const trainer::NetworkRow& row : trainer::network_rows())
      if (row.has_width) names.emplace_back(row.name);
    return "multiplies the channels, rounded to multiples of 8; for " + base::join_names(names);
  }();
  return meaning;
}

void visit_network(FieldVisitor& visitor, NetworkOptions& options) {
  visitor.visit({.name = "name",
                 .meaning = "which built-in network",
                 .choices = network_names(),
                 .required = true,
                 .unless = {"network.file", "network.model"},
                 .empty = "as network.file describes it, or network.model"},
                &options.name);
  visitor.visit({.name = "file",
                 .meaning = "YAML file that describes the network, layer by layer",
                 .shapes_result = false,
                 .empty = "built-in"},
                &options.file);
  visitor.visit({.name = "model",
                 .meaning = "ONNX file with the network and its weights",
                 .shapes_result = false,
                 .empty = "built-in"},
                &options.model);
  visitor.visit(
      {.name = "trained",
       .meaning = "the weights of network.model are trained ones: training is skipped; if not, it begins "
                  "with them"},
      &options.trained);
  visitor.visit(
      {.name = "description",
       .meaning = "the text of network.file, or a hash of network.model, as results keep it: not to be "
                  "written by hand",
       .empty = "read from the file"},
      &options.description);
  visitor.visit({.name = "width",
                 .meaning = meaning_of_width(),
                 .range = between(trainer::kLeastWidth, trainer::kMostWidth)},
                &options.width);
  visit_choice(
      visitor,
      {.name = "joins",
       .meaning = "what additions and average pooling read in a quantized network: exact sums in fp32, or "
                  "8-bit integers, a quarter of the memory traffic",
       .choices = {"fp32", "int8"}},
      options.joins);
  visitor.visit({.name = "weights",
                 .meaning = "trained weights by layer name, an .npz file; training is skipped",
                 .empty = "trained here"},
                &options.weights);
  visitor.visit({.name = "checkpoint",
                 .meaning = "trained weights, an HDF5 checkpoint of this program; training is skipped",
                 .empty = "trained here"},
                &options.checkpoint);
}

void visit_hardware(FieldVisitor& visitor, HardwareConfig& options) {
  visitor.visit(
      {.name = "models",
       .meaning = "built-in cost models: weight bytes, bit operations, latency measured on this computer",
       .choices = {"size", "bops", "host"}},
      &options.models);
  visitor.begin_group("host", "measuring this computer's kernels, and reading the table of their prices");
  visit_fields(visitor, options.host);
  visitor.end_group();
  visit_fields(visitor, options.program,
               "program and arguments that answer a policy (JSON on standard input) with what it costs");
}

}  // namespace

void visit_fields(FieldVisitor& visitor, Config& config) {
  visitor.visit({.name = "seed",
                 .meaning = "all randomness of the run derives from it",
                 .range = between(0, 2147483647)},
                &config.seed);
  visitor.visit({.name = "output",
                 .meaning = "HDF5 file of the results (.h5); a YAML summary and working files lie beside it",
                 .shapes_result = false,
                 .empty = "results/NAME.h5, where the config is NAME.yaml"},
                &config.output);
  visitor.visit({.name = "threads",
                 .meaning = "threads to use, 0 for all CPUs; results do not depend on it",
                 .range = between(0, 1024),
                 .shapes_result = false},
                &config.threads);
  visitor.begin_group("network", "what is quantized");
  visit_network(visitor, config.network);
  visitor.end_group();
  visitor.begin_group("data", "which images, how they are split and prepared");
  visit_fields(visitor, config.data);
  visitor.end_group();
  visitor.begin_group("train", "training of the fp32 network");
  visit_fields(visitor, config.train);
  visitor.end_group();
  visitor.begin_group("quantization", "how weights and activations become integers");
  visit_fields(visitor, config.quantization);
  visitor.end_group();
  visitor.begin_group("ptq", "quantization after training, without training (`bitsmith ptq`)");
  visit_fields(visitor, config.ptq);
  visitor.end_group();
  visitor.begin_group("qat", "training under a quantization that is given (`bitsmith qat`)");
  visit_fields(visitor, config.qat);
  visitor.end_group();
  visitor.begin_group("evaluator", "who says what accuracy a policy leaves during the search");
  visit_fields(visitor, config.evaluator.builtin);
  visit_fields(
      visitor, config.evaluator.program,
      "program and arguments that answer a policy (JSON on standard input) with {\"accuracy\": ...}");
  visitor.end_group();
  visitor.begin_group("hardware", "who says what a policy costs");
  visit_hardware(visitor, config.hardware);
  visitor.end_group();
  visitor.visit(
      {.name = "constraint",
       .meaning = "upper bounds that the winner meets, as a factor of uniform 8 bit (0.5x) or with a unit; "
                  "ptq and qat need none",
       .required = true,
       .unless = {"ptq", "qat"}},
      &config.constraints);
  visitor.begin_group("search", "how policies are chosen");
  visit_fields(visitor, config.search);
  visitor.end_group();
  visitor.begin_group("finetune",
                      "the long quantization-aware fine-tune of the winner and of what it is compared with");
  visit_fields(visitor, config.finetune);
  visitor.end_group();
}

}  // namespace bitsmith::experiments
