// `bitsmith qat` as a user runs it, on images small enough for seconds.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "quant/base/file.hpp"
#include "quant/base/hdf5.hpp"
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
                                        "quantization: {calibration_images: 32, weight_method: lsq, "
                                        "activation_method: lsq}\n"
                                        "finetune: {epochs: 2, batch: 32, learning_rate: 0.05}\n"
                                        "qat: {weights: 4, activations: 4}\n";
  }
  base::ProcessResult says(std::vector<std::string> words) const {
    std::vector<std::string> command{BITSMITH_EXECUTABLE, "qat", path("tiny.yaml"), "--output", path("a.h5")};
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

json essence(json report) {
  report.erase("config");
  return report;
}

void refuses(const Experiment& experiment, std::vector<std::string> words, const std::string& message) {
  const auto result = experiment.says(std::move(words));
  BOOST_TEST(result.exit_code == 2);
  BOOST_TEST(result.err.find(message) != std::string::npos, result.err);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(qat_command)

BOOST_AUTO_TEST_CASE(a_trained_network_is_trained_on_under_its_bits_and_deployed) {
  const Experiment experiment;
  const json report = experiment.run();
  BOOST_TEST(report["curve"].size() == 2u);
  BOOST_TEST(report["layers"][0]["activation_method"] == "straight_through");  // reads the images
  BOOST_TEST(report["layers"][1]["activation_method"] == "lsq");
  BOOST_TEST(report["layers"][1]["weight_bits"] == 4);
  BOOST_TEST(report["layers"][0]["weight_bits"] == 8);
  BOOST_TEST(report["test"]["agreement"].get<double>() > 0.9);
  BOOST_TEST(report["validation"]["simulated"].get<double>() > 0.3);
  for (const char* left : {"a.qat.bsm", "a.qat.h5", "a.qat.policy.yaml", "a.qat.json"})
    BOOST_TEST(std::filesystem::exists(experiment.path(left)), left);
  BOOST_TEST(json::parse(base::read_file(experiment.path("a.qat.json"))) == report);
  // Done before: nothing is trained again, and the result is the same.
  BOOST_TEST(essence(experiment.run()) == essence(report));
  BOOST_TEST(essence(experiment.run({"--set", "threads=1"})) == essence(report));
}

BOOST_AUTO_TEST_CASE(fresh_weights_are_trained_under_binary_weights) {
  const Experiment experiment;
  const json report = experiment.run({"--set", "qat.from=scratch", "--set", "qat.weights=binary", "--set",
                                      "quantization.weight_method=bwn"});
  BOOST_TEST(report["validation"]["fp32"].is_null());
  BOOST_TEST(report["layers"][1]["weight_method"] == "bwn");
  BOOST_TEST(report["layers"][0]["weight_method"] == "straight_through");  // pinned to 8 bits
  BOOST_TEST(report["test"]["agreement"].get<double>() > 0.9);
}

BOOST_AUTO_TEST_CASE(what_no_integer_kernel_multiplies_is_evaluated_but_not_deployed) {
  const Experiment experiment;
  const json report = experiment.run({"--set", "quantization.activation_method=lsq_plus"});
  BOOST_TEST(report["model"].is_null());
  BOOST_TEST(report["not_deployed"].get<std::string>().find("conv2: activation_method lsq_plus") == 0u);
  BOOST_TEST(report["test"]["integers"].is_null());
  BOOST_TEST(report["test"]["simulated"].get<double>() > 0.3);
}

BOOST_AUTO_TEST_CASE(phases_and_layers_of_their_own_run_to_the_end) {
  const Experiment experiment;
  const json report = experiment.run(
      {"--set", "quantization.activation_method=bitnet", "--set",
       "quantization.weight_method=straight_through", "--set", "quantization.progressive_bits=[8, 6]",
       "--set", "quantization.progressive_epochs=0.5", "--set", "quantization.freeze_batch_norm_epochs=1.5",
       "--set", "quantization.layers={conv3: {weight_method: ttq, weight_bits: ttq}}"});
  BOOST_TEST(report["layers"][2]["weight_method"] == "ttq");
  BOOST_TEST(report["layers"][1]["weight_bits"] == 4);
  BOOST_TEST(report["test"]["agreement"].get<double>() > 0.9);
}

BOOST_AUTO_TEST_CASE(a_layer_without_a_batch_norm_to_fold_is_named) {
  const Experiment experiment;
  const auto result = experiment.says({"--set", "quantization.weight_method=straight_through", "--set",
                                       "quantization.activation_method=straight_through", "--set",
                                       "quantization.batch_norm=folded"});
  BOOST_TEST(result.exit_code == 0, result.err);
  BOOST_TEST(result.err.find("batch_norm: folded has no effect on fc: ") != std::string::npos, result.err);
}

// A batch norm takes no statistics from a batch that gives it one value: those of training stay.
BOOST_AUTO_TEST_CASE(one_image_to_recalibrate_on_leaves_the_statistics_of_training) {
  const Experiment experiment;
  const auto accuracy = [&](const char* images) {
    return experiment.run({"--set", std::string("qat.recalibration_images=") + images})["test"]["simulated"]
        .get<double>();
  };
  BOOST_TEST(accuracy("1") == accuracy("0"));
}

BOOST_AUTO_TEST_CASE(steps_that_training_would_make_negative_are_delivered_positive) {
  const Experiment experiment;
  experiment.run({"--set", "finetune.learning_rate=0.5", "--set", "finetune.epochs=1"});
  const auto file = base::hdf5::File::open(experiment.path("a.qat.h5"));
  int steps = 0;
  for (const std::string& name : file.children("parameters"))
    if (name.ends_with("_step"))
      for (float step : file.read<float>("parameters/" + name).values) {
        BOOST_TEST(step > 0.0f, name);
        ++steps;
      }
  BOOST_TEST(steps > 100);
}

// As on a full disk; the limit's signal would end a program that does not ask for the error instead.
BOOST_AUTO_TEST_CASE(a_checkpoint_that_cannot_be_written_is_told_and_leaves_no_piece_of_it) {
  const Experiment experiment;
  const std::string command = "ulimit -f 100; exec " + std::string(BITSMITH_EXECUTABLE) + " qat " +
                              experiment.path("tiny.yaml") + " --output " + experiment.path("a.h5");
  const auto result = base::run_process({"/bin/sh", "-c", command}, "", kTimeout_s);
  BOOST_TEST(result.exit_code == 2);
  BOOST_TEST(result.err.find("a.work/trained") != std::string::npos, result.err);
  BOOST_TEST(result.err.find("File too large") != std::string::npos, result.err);
  BOOST_TEST(!std::filesystem::exists(experiment.path("a.work/trained.h5")));
}

BOOST_AUTO_TEST_CASE(checkpoints_of_another_training_are_kept_under_another_name) {
  const Experiment experiment;
  experiment.run({"--set", "finetune.epochs=0.5", "--set", "train.epochs=1"});
  const std::string first = base::read_file(experiment.path("a.work/trained.h5"));
  const auto again = experiment.says({"--set", "finetune.epochs=0.5", "--set", "train.epochs=2"});
  BOOST_TEST(again.exit_code == 0, again.err);
  BOOST_TEST(again.err.find("trained.h5 is kept as trained-earlier-1.h5") != std::string::npos, again.err);
  BOOST_TEST((base::read_file(experiment.path("a.work/trained-earlier-1.h5")) == first));
  BOOST_TEST(std::filesystem::exists(experiment.path("a.work/qat-earlier-1.h5")));
  BOOST_TEST(std::filesystem::exists(experiment.path("a.work/qat.best.h5")));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_before_anything_is_trained) {
  const Experiment experiment;
  refuses(experiment, {"--set", "quantization.weight_method=lsqq"}, "did you mean 'lsq'?");
  refuses(experiment, {"--set", "quantization.weight_method=bwn"},
          "weight_method bwn does not serve weights in 4; it serves binary");
  refuses(experiment, {"--set", "quantization.activation_method=binary"},
          "activation_method binary does not serve unsigned activations of 4 bits");
  refuses(experiment, {"--set", "quantization.layers={conv2: {weight_method: bwn}}"},
          "quantization.layers.conv2: weight_method bwn does not serve weights in 4");
  refuses(experiment, {"--set", "quantization.layers={conv22: {weight_method: lsq}}"},
          "did you mean 'conv2'?");
  refuses(experiment, {"--set", "quantization.layers={conv2: {weight_metod: lsq}}"},
          "did you mean 'weight_method'?");
  refuses(experiment, {"--set", "quantization.batch_norm=folded"},
          "folded goes with weight_method straight_through alone");
  refuses(experiment, {"--set", "quantization.progressive_bits=[4, 8]"}, "descending");
  refuses(experiment, {"--set", "quantization.observer_epochs=1"}, "ranges are observed");
  refuses(experiment, {"--set", "quantization.layers={conv3: {activation_method: bitnet}}"},
          "bitnet is for all layers or none");
  refuses(experiment,
          {"--set", "network.name=resnet8", "--set",
           "quantization.layers={layer2.0.conv1: {activation_method: pact}}"},
          "'layer2.0.conv1' and 'layer2.0.downsample.conv' read the same tensor at 4 bits");
  refuses(experiment, {"--set", "qat.from=scratch", "--set", "finetune.distillation=0.5"},
          "from scratch there is no trained network to learn from");
  refuses(experiment,
          {"--set", "quantization.progressive_bits=[8, 6]", "--set", "quantization.progressive_epochs=1"},
          "2 stages of 1 epochs leave none of finetune's 2 to the network's own bits");
  refuses(experiment, {"--set", "quantization.freeze_batch_norm_epochs=2"},
          "batch norms would freeze after the training has ended");
  refuses(experiment, {"--set", "network.checkpoint=" + experiment.path("a.qat.h5")}, "would replace");
  BOOST_TEST(!std::filesystem::exists(experiment.path("a.work/trained.h5")));
}

BOOST_AUTO_TEST_SUITE_END()
