#pragma once

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "quant/base/subprocess.hpp"
#include "tests/experiments/quadrant_images.hpp"
#include "tests/quant/base/temporary_folder.hpp"

namespace bitsmith::tests {

inline constexpr double kTimeout_s = 300;

/// One folder with data, a configuration, and a price table that all runs of a test share.
class Experiment {
 public:
  Experiment() {
    write_images(folder / "train.h5", 480, 1);
    write_images(folder / "test.h5", 120, 2);
    std::ofstream(folder / "tiny.yaml")
        << "seed: 3\n"
           "network: {name: cnn_small}\n"
           "data:\n"
           "  format: hdf5\n"
           "  train_files: ["
        << (folder / "train.h5").string() << "]\n  test_files: [" << (folder / "test.h5").string()
        << "]\n"
           "  validation_images: 160\n"
           "train: {epochs: 3, batch: 32, learning_rate: 0.05}\n"
           "quantization: {calibration_images: 32}\n"
           "evaluator: {finetune_steps: 2, batch: 32, validation_images: 80, "
           "recalibration_images: 64}\n"
           "hardware: {host: {table: "
        << (folder / "latency.h5").string()
        << ", samples: 3, sample_ms: 0.1, canary_tolerance: 1e6}}\n"
           "constraint: {size: 0.5x, bops: 0.5x}\n"
           "search: {episodes: 12, warmup_episodes: 4, round: 3, finalists: 2}\n"
           "finetune: {epochs: 1, batch: 32}\n";
  }

  std::vector<std::string> command(std::vector<std::string> words) const {
    words.insert(words.begin() + 1, (folder / "tiny.yaml").string());
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    return words;
  }
  base::ProcessResult says(std::vector<std::string> words) const {
    return base::run_process(command(std::move(words)), "", kTimeout_s);
  }
  nlohmann::json run(std::vector<std::string> words) const {
    words.emplace_back("--json");
    const auto result = says(std::move(words));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return nlohmann::json::parse(result.out);
  }
  std::string output(const std::string& name) const { return (folder / name).string(); }

  TemporaryFolder folder;
};

}  // namespace bitsmith::tests
