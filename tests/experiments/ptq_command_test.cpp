// `bitsmith ptq` as a user runs it, on images small enough for seconds.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "quant/base/file.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/experiments/quadrant_images.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using nlohmann::json;

namespace {

constexpr double kTimeout_s = 300;

class Experiment {
 public:
  Experiment() {
    tests::write_images(folder / "train.h5", 480, 1);
    tests::write_images(folder / "test.h5", 120, 2);
    std::ofstream(path("tiny.yaml")) << "seed: 3\n"
                                        "network: {name: cnn_small}\n"
                                        "data: {format: hdf5, train_files: ["
                                     << path("train.h5") << "], test_files: [" << path("test.h5")
                                     << "], validation_images: 160}\n"
                                        "train: {epochs: 3, batch: 32, learning_rate: 0.05}\n"
                                        "quantization: {calibration_images: 32}\n"
                                        "ptq: {images: 64, positions: 512, batch: 64, adaround: "
                                        "{iterations: 100}}\n";
  }
  base::ProcessResult says(std::vector<std::string> words) const {
    std::vector<std::string> command{BITSMITH_EXECUTABLE, "ptq", path("tiny.yaml"), "--output", path("a.h5")};
    command.insert(command.end(), words.begin(), words.end());
    return base::run_process(command, "", kTimeout_s);
  }
  json run(std::vector<std::string> words = {}) const {
    words.emplace_back("--json");
    const auto result = says(std::move(words));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return json::parse(result.out);
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }

  tests::TemporaryFolder folder;
};

/// What must not depend on threads or the time of day.
json essence(json report) {
  for (json& step : report["steps"]) step.erase("seconds");
  report.erase("config");
  return report;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ptq_command)

BOOST_AUTO_TEST_CASE(it_trains_quantizes_and_runs_on_integers) {
  const Experiment experiment;
  const json report = experiment.run();
  BOOST_TEST(report["steps"].front()["name"] == "trained");
  BOOST_TEST(report["steps"].back()["name"] == "correct biases");
  BOOST_TEST(report["steps"].front()["float_accuracy"].get<double>() > 0.3);  // of four classes
  BOOST_TEST(report["steps"].back()["float_accuracy"].is_null());
  BOOST_TEST(report["agreement"].get<double>() > 0.98);
  BOOST_TEST(report["layers"].size() == 6u);
  for (const json& layer : report["layers"]) {
    const bool inner = layer["name"] != "conv1" && layer["name"] != "fc";
    BOOST_TEST(layer["weight_bits"] == (inner ? 4 : 8));
    BOOST_TEST(layer["weight_sqnr_db"].get<double>() > 10.0);
    BOOST_TEST(layer["output_cosine"].get<double>() > 0.9);
  }
  BOOST_TEST(json::parse(base::read_file(experiment.path("a.ptq.json"))) == report);
  BOOST_TEST(base::read_file(experiment.path("a.ptq.policy.yaml")).find("conv2") != std::string::npos);

  // The model is one that `infer` runs, and the policy one that ptq takes.
  const auto inferred = base::run_process(
      {BITSMITH_EXECUTABLE, "infer", experiment.path("a.ptq.bsm"), experiment.path("test.h5"), "--json"}, "",
      kTimeout_s);
  BOOST_REQUIRE_MESSAGE(inferred.exit_code == 0, inferred.err);
  BOOST_TEST(json::parse(inferred.out)["accuracy"].get<double>() > 0.3);
  const json again = experiment.run({"--set", "ptq.policy=" + experiment.path("a.ptq.policy.yaml")});
  BOOST_TEST(essence(again) == essence(report));
}

BOOST_AUTO_TEST_CASE(the_result_depends_on_no_thread_and_the_training_is_used_again) {
  const Experiment experiment;
  const json one = experiment.run({"--set", "threads=1"});
  const auto changed = std::filesystem::last_write_time(experiment.folder / "a.work" / "trained.h5");
  const json three = experiment.run({"--set", "threads=3"});
  BOOST_TEST(essence(one) == essence(three));
  BOOST_TEST((std::filesystem::last_write_time(experiment.folder / "a.work" / "trained.h5") == changed));
}

BOOST_AUTO_TEST_CASE(every_way_to_round_and_correct_runs) {
  const Experiment experiment;
  for (const std::vector<std::string>& settings :
       {std::vector<std::string>{"ptq.mode=weight_only", "ptq.weights=3"},
        {"ptq.mode=dynamic", "ptq.activations=6"},
        {"ptq.weights=kmeans3", "ptq.bias_correction=analytic"},
        {"ptq.weights=mxfp4", "ptq.rounding=nearest"},
        {"ptq.equalize=true", "ptq.absorb_biases=true", "quantization.weight_granularity=tensor"},
        {"ptq.fold_batch_norms=false", "ptq.bias_correction=none"}}) {
    std::vector<std::string> words;
    for (const std::string& setting : settings) {
      words.emplace_back("--set");
      words.push_back(setting);
    }
    BOOST_TEST_CONTEXT(settings.front()) {
      BOOST_TEST(experiment.run(words)["agreement"].get<double>() > 0.95);
    }
  }
}

BOOST_AUTO_TEST_CASE(mistakes_are_told_before_anything_is_trained) {
  const Experiment experiment;
  const auto refused = [&](const std::string& setting, const std::string& message) {
    const auto result = experiment.says({"--set", setting});
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.out == "");
    BOOST_TEST(result.err.find(message) != std::string::npos, result.err);
    BOOST_TEST(!std::filesystem::exists(experiment.folder / "a.work" / "trained.h5"));
  };
  refused("ptq.weights=9", "ptq.weights: got '9', allowed: 2 to 8, ");
  refused("ptq.weights=mxfp5", "did you mean");
  refused("ptq.activations=1", "ptq.activations: got '1', allowed: 2 to 8");
  refused("ptq.rounding=adaruond", "did you mean 'adaround'?");
  refused("ptq.policy=nowhere.yaml", "nowhere.yaml");
  refused("ptq={mode: weight_only, activations: 4}", "leaves activations in fp32");
  refused("ptq={policy: p.yaml, weights: 3}", "ptq.policy says the bits of every layer");
  refused("ptq.adaround={beta_start: 2, beta_end: 4}", "make ptq.adaround.beta_end at most");
  refused("ptq={fold_batch_norms: false, equalize: true}", "set ptq.fold_batch_norms: true");
  refused("ptq.fold_batch_norm=true", "did you mean 'fold_batch_norms'?");
  const auto joins = experiment.says({"--set", "network.joins=int8", "--set", "ptq.mode=dynamic"});
  BOOST_TEST(joins.exit_code == 2);
  BOOST_TEST(joins.err.find("integer joins") != std::string::npos, joins.err);
}

BOOST_AUTO_TEST_CASE(without_a_budget_only_ptq_runs) {
  const Experiment experiment;
  const auto result =
      base::run_process({BITSMITH_EXECUTABLE, "run", experiment.path("tiny.yaml")}, "", kTimeout_s);
  BOOST_TEST(result.exit_code == 2);
  BOOST_TEST(result.err.find("constraint: give at least one bound") != std::string::npos, result.err);
}

BOOST_AUTO_TEST_SUITE_END()
