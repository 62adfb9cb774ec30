// Networks that come as ONNX files through a whole experiment, and out again.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "quant/base/file.hpp"
#include "tests/experiments/experiment.hpp"
#include "trainer/onnx/file.hpp"

using namespace bitsmith;
using nlohmann::json;
using tests::kTimeout_s;

namespace {

/// A trained network as an ONNX file, and a configuration that searches it.
class Imported : public tests::Experiment {
 public:
  Imported() {
    const auto trained = says({"train", "--quiet", "--output", output("first.h5")});
    BOOST_REQUIRE_MESSAGE(trained.exit_code == 0, trained.err);
    const auto exported = base::run_process(
        {BITSMITH_EXECUTABLE, "export", output("tiny.yaml"), "--checkpoint",
         (folder / "first.work" / "trained.h5").string(), "--format", "fp32", "--output", output("net.onnx")},
        "", kTimeout_s);
    BOOST_REQUIRE_MESSAGE(exported.exit_code == 0, exported.err);
    give_names_of_its_own();
    std::string text = base::read_file(output("tiny.yaml"));
    const auto replace = [&](const std::string& what, const std::string& with) {
      const auto at = text.find(what);
      BOOST_REQUIRE(at != std::string::npos);
      text.replace(at, what.size(), with);
    };
    replace("network: {name: cnn_small}", "network: {model: " + output("net.onnx") + "}");
    replace("finetune_steps: 2, batch: 32", "batch: 32");
    replace("finetune: {epochs: 1, batch: 32}", "finetune: {batch: 32}");
    std::ofstream(output("imported.yaml")) << text;
  }
  void give_names_of_its_own() const {
    trainer::onnx::Model model = trainer::onnx::read_model(output("net.onnx"));
    for (auto& node : model.graph.nodes)
      std::ranges::replace(node.inputs, model.graph.inputs[0].name, std::string("pixels"));
    model.graph.inputs[0].name = "pixels";
    model.metadata = {{"who", "us"}};
    trainer::onnx::write_model(model, output("net.onnx"));
  }
  base::ProcessResult imported(std::vector<std::string> words) const {
    words.insert(words.begin() + 1, output("imported.yaml"));
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    return base::run_process(words, "", kTimeout_s);
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_runs)

BOOST_AUTO_TEST_CASE(an_imported_network_is_searched_without_training_exported_and_verified) {
  const Imported experiment;
  const auto checked = experiment.imported({"check", "--json"});
  BOOST_REQUIRE_MESSAGE(checked.exit_code == 0, checked.err);
  const json valid = json::parse(checked.out);
  BOOST_TEST(valid["expected_seconds"]["train"] == 0.0);
  BOOST_TEST(valid["expected_seconds"]["search"].get<double>() > 0);

  const auto ran = experiment.imported({"run", "--output", experiment.output("b.h5"), "--json"});
  BOOST_REQUIRE_MESSAGE(ran.exit_code == 0, ran.err);
  const json results = json::parse(ran.out);
  BOOST_TEST(results["training"].empty());
  BOOST_TEST(results["winner"]["agreement"].get<double>() >= 0.99);

  const auto exported = base::run_process({BITSMITH_EXECUTABLE, "export", experiment.output("b.bsm"),
                                           "--format", "qdq", "--output", experiment.output("b.onnx")},
                                          "", kTimeout_s);
  BOOST_REQUIRE_MESSAGE(exported.exit_code == 0, exported.err);
  const auto model = trainer::onnx::read_model(experiment.output("b.onnx"));
  BOOST_TEST(model.graph.nodes.size() > 10u);
  BOOST_TEST(model.graph.inputs[0].name == "pixels");
  BOOST_TEST(model.metadata[0].first == "who");

  const auto verified = base::run_process(
      {BITSMITH_EXECUTABLE, "verify", experiment.output("b.h5"), "--random", "2", "--rounds", "1", "--json"},
      "", kTimeout_s);
  BOOST_TEST(verified.exit_code == 0, verified.err);
}

BOOST_AUTO_TEST_CASE(an_imported_network_can_be_trained_on_and_quantized_by_the_other_commands) {
  const Imported experiment;
  const auto trained =
      experiment.imported({"train", "--output", experiment.output("c.h5"), "--quiet", "--json", "--set",
                           "network.trained=false", "--set", "train.epochs=1"});
  BOOST_REQUIRE_MESSAGE(trained.exit_code == 0, trained.err);
  BOOST_TEST(json::parse(trained.out)["training"].size() == 1u);
  for (const std::string command : {"ptq", "qat"}) {
    const auto result = experiment.imported({command, "--output", experiment.output(command + ".h5"),
                                             "--quiet", "--json", "--set", "finetune.epochs=1"});
    BOOST_TEST(result.exit_code == 0, result.err);
  }
}

BOOST_AUTO_TEST_CASE(a_quantized_model_is_a_policy_to_every_command) {
  const Imported experiment;
  std::ofstream(experiment.output("four.yaml")) << "weight_bits: 4\nactivation_bits: 8\n";
  const auto says = [](std::vector<std::string> words) {
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    return base::run_process(words, "", kTimeout_s);
  };
  const auto succeeds = [&](std::vector<std::string> words) {
    const auto result = says(std::move(words));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return result.out;
  };
  const std::string quantized = experiment.output("q.onnx"), again = experiment.output("again.onnx");
  succeeds({"ptq", experiment.output("imported.yaml"), "--output", experiment.output("p.h5"), "--quiet",
            "--set", "ptq.weights=4"});
  succeeds({"export", experiment.output("p.ptq.bsm"), "--format", "qdq", "--output", quantized});

  const json cost = json::parse(succeeds({"cost", "--network", quantized, "--json"}));
  BOOST_TEST(cost["policy"] == "of the model");
  BOOST_TEST(cost["layers"][1]["weight_bits"] == 4);
  BOOST_TEST(cost["layers"][0]["weight_bits"] == 8);
  const json uniform =
      json::parse(succeeds({"cost", "--network", quantized, "--policy", "uniform:8", "--json"}));
  BOOST_TEST(uniform["layers"][1]["weight_bits"] == 8);

  succeeds({"export", quantized, "--format", "policy-json", "--output", experiment.output("q.json")});
  const json policy = json::parse(base::read_file(experiment.output("q.json")));
  BOOST_TEST(policy["layers"][1]["weights"]["bits"] == 4);
  succeeds({"export", quantized, "--format", "qonnx", "--output", again});
  const auto model = trainer::onnx::read_model(again);
  BOOST_TEST(model.graph.inputs[0].name == "pixels");
  BOOST_TEST(std::ranges::count(model.graph.nodes, "Quant", &trainer::onnx::Node::op) > 6);

  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    const auto result = says(std::move(words));
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(has(result.err, why), result.err);
  };
  refused({"export", quantized, "--policy", experiment.output("four.yaml"), "--output", again},
          "name it in a configuration (network.model)");
  refused({"export", experiment.output("net.onnx"), "--output", again}, "has no quantizers");
}

BOOST_AUTO_TEST_CASE(mistakes_about_networks_of_the_command_line_are_told) {
  const Imported experiment;
  const std::string model = experiment.output("net.onnx"), table = experiment.output("table.h5");
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    const auto result = base::run_process(words, "", kTimeout_s);
    BOOST_TEST(result.exit_code == 2, result.out);
    BOOST_TEST(has(result.err, why), result.err);
  };
  refused({"cost", "--network", "resnet21"}, "did you mean 'resnet20'?");
  refused({"cost", "--network", experiment.output("none.onnx")}, "none.onnx");
  refused({"cost", "--network", model, "--input", "3x8"}, "CHANNELSxHEIGHTxWIDTH");
  refused({"cost", "--network", model, "--policy", "uniform:9"}, "uniform:BITS");
  refused({"cost", "--network", model, "--policy", experiment.output("none.yaml")}, "none.yaml");
  refused({"cost", "--network", model, "--hardware", "sise"}, "did you mean 'size'?");
  refused({"cost", "--network", model, "--hardware", "host"}, "--table FILE.h5");
  refused({"profile", "--network", model}, "--table");
  refused({"profile", "--network", model, "--table", table, "--bits", "9"}, "allowed are 2 to 8");
  refused({"profile", "--network", "resnet21", "--table", table}, "did you mean 'resnet20'?");
  refused({"infer", model}, "needs --input NAME=FILE.npy, or --bench");
  refused({"infer", model, "--bench", "--runs", "0"}, "--runs");
  refused({"infer", model, "--bench", "--policy", "uniform:1"}, "uniform:BITS");
  refused({"infer", model, "--input", "pixel=x.npy"}, "did you mean 'pixels'?");
  BOOST_TEST(!std::filesystem::exists(table));
}

BOOST_AUTO_TEST_CASE(a_model_that_changes_or_does_not_fit_is_told) {
  const Imported experiment;
  const auto missing =
      experiment.imported({"check", "--set", "network.model=" + experiment.output("none.onnx")});
  BOOST_TEST(missing.exit_code == 2);
  BOOST_TEST(has(missing.err, "network.model"), missing.err);
  BOOST_TEST(has(missing.err, "none.onnx"), missing.err);
  // Results stand alone; another file of the name is another model.
  const auto dumped = experiment.imported({"check", "--resolved"});
  std::ofstream(experiment.output("dumped.yaml")) << dumped.out;
  std::string bytes = base::read_file(experiment.output("net.onnx"));
  std::filesystem::remove(experiment.output("net.onnx"));
  const auto checked = [&] {
    return base::run_process({BITSMITH_EXECUTABLE, "check", experiment.output("dumped.yaml")}, "",
                             kTimeout_s);
  };
  BOOST_TEST(checked().exit_code == 0);
  auto model = trainer::onnx::parse_model(bytes, "net", ".");
  model.graph.initializers.begin()->second.bytes[0] ^= std::byte{1};
  trainer::onnx::write_model(model, experiment.output("net.onnx"));
  BOOST_TEST(has(checked().err, "is another model now"), checked().err);

  const auto both = experiment.imported({"check", "--set", "network.name=resnet8"});
  BOOST_TEST(both.exit_code == 2);
  BOOST_TEST(has(both.err, "give one of network.name, network.file and network.model"), both.err);
  // What no network here can be, or not of this size, is told before anything runs.
  model = trainer::onnx::read_model(experiment.output("net.onnx"));
  model.graph.nodes.front().op = "ConvTranspose";
  trainer::onnx::write_model(model, experiment.output("odd.onnx"));
  const auto odd = experiment.imported({"check", "--set", "network.model=" + experiment.output("odd.onnx")});
  BOOST_TEST(odd.exit_code == 2, odd.out);
  BOOST_TEST(has(odd.err, "ConvTranspose"), odd.err);
  const auto of_another = experiment.says({"check", "--set", "network.trained=false"});
  BOOST_TEST(of_another.exit_code == 2);
  BOOST_TEST(has(of_another.err, "network.trained"), of_another.err);
}

BOOST_AUTO_TEST_SUITE_END()
