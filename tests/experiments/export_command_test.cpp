// `bitsmith export` as a user runs it, on what a run and a training under quantization leave behind.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "quant/base/file.hpp"
#include "tests/experiments/experiment.hpp"
#include "tests/onnxruntime/onnxruntime.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"

using namespace bitsmith;
using nlohmann::json;
using tests::kTimeout_s;

namespace {

constexpr int kImages = 120, kClasses = 4;

/// A finished run, r.h5, and what exports make of it.
class Exports : public tests::Experiment {
 public:
  Exports() {
    const auto result = says({"run", "--quiet", "--output", output("r.h5"), "--set",
                              "hardware.models=[size, bops]", "--set", "search.weight_bits=[3, 4, 6, 8]"});
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  }

  base::ProcessResult exported(const std::string& model, std::vector<std::string> words) const {
    std::vector<std::string> command{BITSMITH_EXECUTABLE, "export", output(model)};
    command.insert(command.end(), words.begin(), words.end());
    return base::run_process(command, "", kTimeout_s);
  }
  json report(const std::string& model, const std::string& format, const std::string& file,
              std::vector<std::string> words = {}) const {
    words.insert(words.end(), {"--format", format, "--output", output(file), "--json"});
    const auto result = exported(model, std::move(words));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return json::parse(result.out);
  }
  void refused(const std::string& model, std::vector<std::string> words, const std::string& message) const {
    words.insert(words.end(), {"--output", output("refused")});
    const auto result = exported(model, std::move(words));
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.out == "");
    BOOST_TEST(std::ranges::count(result.err, '\n') == 1, result.err);
    BOOST_TEST(result.err.find(message) != std::string::npos, result.err);
    BOOST_TEST(!std::filesystem::exists(output("refused")));
  }
  trainer::onnx::Model model(const std::string& file) const {
    return trainer::onnx::read_model(output(file));
  }
};

std::string metadata(const trainer::onnx::Model& model, const std::string& key) {
  for (const auto& [name, value] : model.metadata)
    if (name == key) return value;
  return {};
}

/// The test images as a model says that it wants them.
std::vector<float> images_for(const Exports& exports, const trainer::onnx::Model& model) {
  const auto file = base::hdf5::File::open(exports.output("test.h5"));
  const double mean = std::stod(metadata(model, "bitsmith.input.mean"));
  const double deviation = std::stod(metadata(model, "bitsmith.input.deviation"));
  BOOST_TEST(metadata(model, "bitsmith.input.pad") == "0");
  std::vector<float> images;
  for (const std::uint8_t pixel : file.read<std::uint8_t>("images").values)
    images.push_back(static_cast<float>((pixel / 255.0 - mean) / deviation));
  return images;
}

/// Share of images with the same first largest logit.
double agreement(const std::vector<float>& a, const std::vector<float>& b) {
  BOOST_REQUIRE(a.size() == std::size_t{kImages} * kClasses);
  BOOST_REQUIRE(b.size() == a.size());
  const auto best = [](const std::vector<float>& logits, int n) {
    const auto first = logits.begin() + n * kClasses;
    return std::max_element(first, first + kClasses) - first;
  };
  int same = 0;
  for (int n = 0; n < kImages; ++n) same += best(a, n) == best(b, n);
  return static_cast<double>(same) / kImages;
}

/// Of the integer network in a .bsm.
std::vector<float> logits_here(const Exports& exports, const std::string& model) {
  const auto result =
      base::run_process({BITSMITH_EXECUTABLE, "infer", exports.output(model), exports.output("test.h5"),
                         "--batch", "40", "--logits", exports.output("logits.npy")},
                        "", kTimeout_s);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  return base::read_npy(exports.output("logits.npy")).floats();
}

/// By the plain evaluator, and by ONNX Runtime where it is.
void check_agreement(const Exports& exports, const std::string& file, const std::vector<float>& expected) {
  constexpr double kLeast = 0.99;
  const trainer::onnx::Model model = exports.model(file);
  const std::vector<float> images = images_for(exports, model);
  const auto input = trainer::onnx::Tensor::of({kImages, 1, 8, 8}, std::span<const float>(images));
  const auto evaluated = trainer::onnx::evaluate(model, {{"input", input}}).at(0);
  BOOST_TEST(agreement(expected, {evaluated.as<float>().begin(), evaluated.as<float>().end()}) >= kLeast);
  if (const auto modules = tests::onnxruntime_modules())
    BOOST_TEST(agreement(expected, tests::run_onnxruntime(*modules, exports.output(file), images,
                                                          {kImages, 1, 8, 8})) >= kLeast);
}

std::set<std::string> tensors_of(const trainer::onnx::Model& model) {
  std::set<std::string> names;
  for (const auto& value : model.graph.inputs) names.insert(value.name);
  for (const auto& node : model.graph.nodes) names.insert(node.outputs.begin(), node.outputs.end());
  return names;
}

void check_encoding(const json& encoding) {
  const double scale = encoding["scale"], levels = std::pow(2.0, encoding["bitwidth"].get<int>());
  BOOST_TEST(encoding.size() == 7u);
  BOOST_TEST(encoding["dtype"] == "int");
  BOOST_TEST(scale > 0);
  BOOST_TEST(encoding["offset"].get<double>() == (encoding["is_symmetric"] == "True" ? -levels / 2 : 0));
  BOOST_TEST(encoding["min"].get<double>() == scale * encoding["offset"].get<double>());
  BOOST_TEST(encoding["max"].get<double>() == scale * (levels - 1 + encoding["offset"].get<double>()));
}

void check_policy_json(const json& policy, const json& reported, const std::string& network) {
  BOOST_TEST(policy["schema"] == "bitsmith-policy");
  BOOST_TEST(policy["version"] == 1);
  BOOST_TEST(policy["network"] == network);
  BOOST_TEST(policy["policy_hash"] == reported["policy_hash"]);
  BOOST_TEST(policy["tensors"].empty());
  BOOST_TEST(policy["layers"].size() == 6u);
  for (const json& layer : policy["layers"]) {
    const json &weights = layer["weights"], &activations = layer["activations"];
    BOOST_TEST(weights["format"] == "int" + weights["bits"].dump());
    BOOST_TEST(weights["effective_bits"] == weights["bits"]);
    const int high = (1 << (weights["bits"].get<int>() - 1)) - 1;
    BOOST_TEST(weights["levels"] == json({-high, high}));
    float largest = 0;
    for (const json& scale : weights["scales"]) largest = std::max(largest, scale.get<float>());
    BOOST_TEST(weights["range"][1].get<float>() == largest * static_cast<float>(high));
    BOOST_TEST(activations["signed"] == (layer["name"] == "conv1"));
    BOOST_TEST(activations["format"].get<std::string>() ==
               (layer["name"] == "conv1" ? "int" : "uint") + activations["bits"].dump());
    BOOST_TEST(activations["range"][1].get<float>() ==
               activations["scale"].get<float>() * activations["levels"][1].get<float>());
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(export_command)

BOOST_AUTO_TEST_CASE(what_a_run_leaves_is_exported_in_every_format) {
  const Exports exports;
  const std::vector<float> expected = logits_here(exports, "r.bsm");

  // The winner, from its model and from the results: the same bytes.
  const json report = exports.report("r.bsm", "qdq", "r.onnx");
  BOOST_TEST(report["format"] == "qdq");
  BOOST_TEST(report["bytes"] == std::filesystem::file_size(exports.output("r.onnx")));
  exports.report("r.h5", "qdq", "again.onnx", {"--policy", exports.output("r.policy.yaml")});
  BOOST_TEST((base::read_file(exports.output("r.onnx")) == base::read_file(exports.output("again.onnx"))));
  const trainer::onnx::Model qdq = exports.model("r.onnx");
  BOOST_TEST(report["opset"] == qdq.opset);
  BOOST_TEST(report["nodes"] == qdq.graph.nodes.size());
  BOOST_TEST(metadata(qdq, "bitsmith.policy_hash") == report["policy_hash"]);
  BOOST_TEST(metadata(qdq, "bitsmith.provenance.method") != "");
  check_agreement(exports, "r.onnx", expected);

  BOOST_TEST(exports.report("r.bsm", "qonnx", "r.qonnx.onnx")["remarks"].empty());
  BOOST_TEST(exports.model("r.qonnx.onnx").other_domains.count("qonnx.custom_op.general") == 1u);

  // The fine-tuned weights.
  BOOST_TEST(exports.report("r.h5", "fp32", "r.fp32.onnx")["opset"] == 13);
  BOOST_TEST(tests::onnx_checker(exports.output("r.fp32.onnx")) == "");
  const trainer::onnx::Model fp32 = exports.model("r.fp32.onnx");
  check_agreement(exports, "r.fp32.onnx", [&] {
    const std::vector<float> images = images_for(exports, fp32);
    const auto input = trainer::onnx::Tensor::of({kImages, 1, 8, 8}, std::span<const float>(images));
    const auto logits = trainer::onnx::evaluate(fp32, {{"input", input}}).at(0);
    return std::vector<float>{logits.as<float>().begin(), logits.as<float>().end()};
  }());

  const json policy_report = exports.report("r.bsm", "policy-json", "r.json");
  BOOST_TEST(policy_report["opset"].is_null());
  check_policy_json(json::parse(base::read_file(exports.output("r.json"))), policy_report, "cnn_small");

  exports.report("r.bsm", "aimet", "r.encodings");
  const json encodings = json::parse(base::read_file(exports.output("r.encodings")));
  BOOST_TEST(encodings["version"] == "0.6.1");
  const std::set<std::string> tensors = tensors_of(fp32);
  BOOST_TEST(encodings["activation_encodings"].size() == 6u);
  for (const auto& [name, list] : encodings["activation_encodings"].items()) {
    BOOST_TEST(tensors.count(name) == 1u, name);
    BOOST_TEST(list.size() == 1u);
    check_encoding(list[0]);
  }
  BOOST_TEST(encodings["param_encodings"].size() == 6u);
  for (const auto& [name, list] : encodings["param_encodings"].items()) {
    const auto found = fp32.graph.initializers.find(name);
    BOOST_REQUIRE_MESSAGE(found != fp32.graph.initializers.end(), name);
    BOOST_TEST(list.size() == static_cast<std::size_t>(found->second.dims[0]));
    for (const json& encoding : list) check_encoding(encoding);
  }

  // The fp32 network that the run began with, under a policy.
  const std::string output = "output=" + exports.output("r.h5");
  exports.report("tiny.yaml", "fp32", "trained.onnx", {"--set", output});
  BOOST_TEST(metadata(exports.model("trained.onnx"), "bitsmith.policy") == "");
  exports.report("tiny.yaml", "qdq", "calibrated.onnx",
                 {"--set", output, "--policy", exports.output("r.policy.yaml")});
  const trainer::onnx::Model calibrated = exports.model("calibrated.onnx");
  BOOST_TEST(metadata(calibrated, "bitsmith.policy_hash") == report["policy_hash"]);
  BOOST_TEST(
      (calibrated.graph.initializers.at("fc.bias").bytes != qdq.graph.initializers.at("fc.bias").bytes));

  // An imported network keeps its names and what its file says.
  trainer::onnx::Model named = fp32;
  for (auto& node : named.graph.nodes) {
    std::ranges::replace(node.inputs, "input", "pixels");
    std::ranges::replace(node.outputs, "output", "scores");
  }
  named.graph.inputs[0].name = "pixels";
  named.graph.outputs[0].name = "scores";
  named.metadata.emplace_back("author", "someone");
  trainer::onnx::write_model(named, exports.output("named.onnx"));
  const std::vector<std::string> imported{"--set", output, "--set",
                                          "network={model: " + exports.output("named.onnx") + "}"};
  exports.report("tiny.yaml", "fp32", "kept.onnx", imported);
  const trainer::onnx::Model kept = exports.model("kept.onnx");
  BOOST_TEST(kept.graph.inputs[0].name == "pixels");
  BOOST_TEST(kept.graph.outputs[0].name == "scores");
  BOOST_TEST(metadata(kept, "author") == "someone");
  BOOST_TEST(metadata(kept, "bitsmith.policy_hash") == "");
  BOOST_TEST(
      (kept.graph.initializers.at("conv2.weight").bytes == fp32.graph.initializers.at("conv2.weight").bytes));

  // What is wrong is told, and nothing is written.
  exports.refused("none.bsm", {}, "there is no such file");
  exports.refused("test.h5", {}, "is no file of results; a checkpoint goes with its configuration");
  exports.refused("r.bsm", {"--format", "qdp"}, "there is no format 'qdp', did you mean 'qdq'?");
  exports.refused("r.bsm", {"--format", "fp32"}, "a deployed model has integers alone");
  exports.refused("r.bsm", {"--checkpoint", "x.h5"}, "--checkpoint does not go with");
  exports.refused("r.h5", {"--set", "seed=4"}, "--set does not go with");
  exports.refused("tiny.yaml", {"--set", output}, "say how it is quantized (--policy FILE)");
  exports.refused("tiny.yaml", {"--set", output, "--policy", "nowhere.yaml"}, "nowhere.yaml");
  exports.refused("tiny.yaml", {"--set", "output=" + exports.output("other.h5"), "--format", "fp32"},
                  "there is no trained network: train it first");
  exports.refused("tiny.yaml", {"--set", output, "--set", "seed=4", "--format", "fp32"},
                  "belongs to another run");
  const auto replaced = exports.exported("r.bsm", {"--output", exports.output("r.bsm")});
  BOOST_TEST(replaced.exit_code == 2);
  BOOST_TEST(replaced.err.find("is what is exported") != std::string::npos, replaced.err);
  std::filesystem::remove(exports.output("r.network.h5"));
  exports.refused("r.h5", {"--format", "fp32"}, "there is no r.network.h5 beside it");
}

BOOST_AUTO_TEST_CASE(a_checkpoint_has_the_policy_that_it_was_trained_under) {
  const tests::Experiment experiment;
  const auto says = [&](std::vector<std::string> words) {
    const auto result = experiment.says(std::move(words));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  };
  says({"qat", "--quiet", "--output", experiment.output("a.h5"), "--set", "qat={weights: 4, activations: 6}",
        "--set", "quantization={calibration_images: 32, weight_method: lsq, activation_method: lsq}"});
  const std::string checkpoint = experiment.output("a.qat.h5");
  says({"export", "--checkpoint", checkpoint, "--output", experiment.output("checkpoint.onnx")});
  const auto model = base::run_process({BITSMITH_EXECUTABLE, "export", experiment.output("a.qat.bsm"),
                                        "--output", experiment.output("model.onnx")},
                                       "", kTimeout_s);
  BOOST_TEST(model.exit_code == 0, model.err);
  // What is emulated is said, whatever is asked for.
  BOOST_TEST(model.err.find("warning: conv2: inputs of 64 levels (0 to 63) are clamped integers of 8 bits") !=
                 std::string::npos,
             model.err);
  const auto one = trainer::onnx::read_model(experiment.output("checkpoint.onnx"));
  const auto other = trainer::onnx::read_model(experiment.output("model.onnx"));
  BOOST_TEST(one.graph.initializers.size() == other.graph.initializers.size());
  for (const auto& [name, tensor] : one.graph.initializers)
    BOOST_TEST((other.graph.initializers.at(name).bytes == tensor.bytes), name);
  says(
      {"export", "--checkpoint", checkpoint, "--format", "fp32", "--output", experiment.output("fp32.onnx")});
  const auto refused =
      experiment.says({"export", "--checkpoint", checkpoint, "--policy", experiment.output("b.yaml"),
                       "--output", experiment.output("b.onnx")});
  BOOST_TEST(refused.exit_code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
