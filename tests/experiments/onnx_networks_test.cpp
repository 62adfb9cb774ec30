// Networks as people bring them: exported by torchvision, against ONNX Runtime and an independent count.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "quant/base/file.hpp"
#include "quant/base/npy.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/onnxruntime/onnxruntime.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using nlohmann::json;

namespace {

constexpr const char* kNetworks[] = {"resnet18",           "resnet50",           "mobilenet_v2",
                                     "mobilenet_v3_small", "shufflenet_v2_x1_0", "squeezenet1_1",
                                     "efficientnet_b0",    "regnet_y_400mf",     "vgg11_bn",
                                     "densenet121",        "googlenet"};
constexpr double kTimeout_s = 900, kTolerance = 1e-4;

/// Measuring every kernel of a large network is minutes: of these always, of all with BITSMITH_SLOW
/// (tests/run.sh --slow).
bool is_profiled(const std::string& name) {
  return std::getenv("BITSMITH_SLOW") != nullptr || name == "resnet18" || name == "mobilenet_v3_small" ||
         name == "shufflenet_v2_x1_0";
}

base::ProcessResult bitsmith_says(std::vector<std::string> words) {
  words.insert(words.begin(), BITSMITH_EXECUTABLE);
  return base::run_process(words, "", kTimeout_s);
}

/// Largest difference, as a share of the largest value.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double most = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    size = std::max(size, std::abs(static_cast<double>(b[i])));
  }
  return most / size;
}

/// These are large networks: once, with the CPU's own instructions.
boost::test_tools::assertion_result with_the_cpus_own_instructions(boost::unit_test::test_unit_id) {
  return std::getenv("BITSMITH_ISA") == nullptr;
}

void export_network(const tests::TemporaryFolder& folder, const std::string& name) {
  const auto exported =
      base::run_process({"/usr/bin/python3", BITSMITH_SOURCE_DIR "/tests/onnx_models/torchvision_models.py",
                         (folder / "").string(), name},
                        "", kTimeout_s);
  BOOST_REQUIRE_MESSAGE(exported.exit_code == 0, exported.err);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_networks, *boost::unit_test::precondition(with_the_cpus_own_instructions))

BOOST_AUTO_TEST_CASE(networks_of_torchvision_compute_what_onnx_runtime_computes) {
  const auto modules = tests::onnxruntime_modules();
  for (const std::string name : kNetworks) {
    BOOST_TEST_CONTEXT(name) {
      const tests::TemporaryFolder folder;
      export_network(folder, name);
      const std::string model = (folder / (name + ".onnx")).string();
      const std::string images = (folder / "images.npy").string(), output = (folder / "out.npz").string();

      const auto inferred =
          bitsmith_says({"infer", model, "--input", "images=" + images, "--output", output});
      BOOST_REQUIRE_MESSAGE(inferred.exit_code == 0, inferred.err);
      const std::vector<float> ours = base::read_npz(output).at("logits").floats();
      if (modules) {
        const std::vector<float> theirs =
            tests::run_onnxruntime(*modules, model, base::read_npy(images).floats(), {2, 3, 224, 224});
        BOOST_TEST(difference(ours, theirs) <= kTolerance);
      }

      const auto cost = bitsmith_says({"cost", "--network", model, "--policy", "uniform:8", "--json"});
      BOOST_REQUIRE_MESSAGE(cost.exit_code == 0, cost.err);
      const json costs = json::parse(cost.out),
                 counts = json::parse(base::read_file(folder / (name + ".json")));
      std::vector<std::int64_t> found, counted;
      for (const json& layer : costs["layers"]) found.push_back(layer["macs"]);
      for (const json& macs : counts["macs"]) counted.push_back(macs);
      BOOST_REQUIRE(found.size() > 8u);
      std::ranges::sort(found);
      std::ranges::sort(counted);
      BOOST_TEST((found == counted));
      const std::size_t layers = found.size();

      if (!is_profiled(name)) continue;
      const auto profile =
          bitsmith_says({"profile", "--network", model, "--table", (folder / "t.h5").string(), "--samples",
                         "3", "--sample-ms", "0.01", "--json"});
      BOOST_REQUIRE_MESSAGE(profile.exit_code == 0, profile.err);
      BOOST_TEST(json::parse(profile.out)["layers"] == layers);
      BOOST_TEST(json::parse(profile.out)["measured"] >= 4);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
