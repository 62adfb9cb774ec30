// Folders of images and NumPy arrays from the configuration to `bitsmith infer`, as a user has them.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "quant/base/file.hpp"
#include "quant/base/npy.hpp"
#include "quant/base/random.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_files.hpp"
#include "tests/trainer/data/made_up_images.hpp"
#include "trainer/model_file.hpp"

using namespace bitsmith;
using nlohmann::json;

namespace {

constexpr double kTimeout_s = 300;

/// A bright quadrant under noise, by class; colours and sizes differ from image to image.
std::vector<std::uint8_t> quadrant(base::Rng& rng, int label, int height, int width) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const bool bright = (2 * y / height) * 2 + 2 * x / width == label;
      for (int c = 0; c < 3; ++c)
        pixels.push_back(static_cast<std::uint8_t>((bright ? 150 : 30) + rng.below(60)));
    }
  return pixels;
}

const std::vector<std::string> kClasses = {"down left", "down right", "up left",
                                           "\xc3\xbc"
                                           "p right"};

void write_folders(const std::filesystem::path& folder, int images, std::uint64_t seed) {
  base::Rng rng(seed);
  for (int n = 0; n < images; ++n) {
    const int label = n % 4, height = 18 + n % 5, width = 18 + n % 7;
    const auto pixels = quadrant(rng, label, height, width);
    const auto path = folder / kClasses[static_cast<std::size_t>(label)] / std::to_string(n);
    std::filesystem::create_directories(path.parent_path());
    if (n % 3 == 0)
      tests::write_bytes(path.string() + ".jpg", tests::jpeg_bytes(height, width, TJPF_RGB, pixels));
    else
      tests::write_bytes(
          path.string() + ".png",
          tests::png_bytes(static_cast<std::uint32_t>(height), static_cast<std::uint32_t>(width), 8,
                           tests::kPngColours, std::string(pixels.begin(), pixels.end())));
  }
}

class Experiment {
 public:
  Experiment() {
    std::ofstream(path("tiny.yaml")) << "seed: 3\n"
                                        "network: {name: cnn_small}\n"
                                        "train: {epochs: 6, batch: 32, learning_rate: 0.05}\n"
                                        "quantization: {calibration_images: 32}\n"
                                        "ptq: {images: 32, rounding: nearest, bias_correction: none}\n";
  }
  base::ProcessResult says(const std::vector<std::string>& words) const {
    std::vector<std::string> command{BITSMITH_EXECUTABLE};
    command.insert(command.end(), words.begin(), words.end());
    return base::run_process(command, "", kTimeout_s);
  }
  json run(std::vector<std::string> words) const {
    words.emplace_back("--json");
    const auto result = says(words);
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return json::parse(result.out);
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }

  tests::TemporaryFolder folder;
};

void write_arrays(const Experiment& experiment, const std::string& name, int images, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<std::uint8_t> pixels, labels;
  for (int n = 0; n < images; ++n) {
    const auto image = quadrant(rng, n % 4, 12, 14);
    pixels.insert(pixels.end(), image.begin(), image.end());
    labels.push_back(static_cast<std::uint8_t>(n % 4));
  }
  const auto count = static_cast<std::uint64_t>(images);
  base::write_npy(experiment.path(name + ".npy"), std::span<const std::uint8_t>(pixels), {count, 12, 14, 3});
  base::write_npy(experiment.path(name + "_labels.npy"), std::span<const std::uint8_t>(labels), {count});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(runs_on_image_files)

BOOST_AUTO_TEST_CASE(a_folder_is_trained_on_deployed_and_inferred_from_raw_images) {
  const std::string preprocessing =
      "color: gray, resize: [10], crop: [8], validation_images: 80, flip: false}\n";
  const Experiment experiment;
  write_folders(experiment.folder / "train", 320, 1);
  write_folders(experiment.folder / "test", 80, 2);
  std::ofstream(experiment.path("tiny.yaml"), std::ios::app)
      << "data: {format: folder, train_files: [" << experiment.path("train") << "], test_files: ["
      << experiment.path("test") << "], " << preprocessing;
  const json loaded =
      experiment.run({"ptq", experiment.path("tiny.yaml"), "--output", experiment.path("a.h5")});
  const json decoded =
      experiment.run({"ptq", experiment.path("tiny.yaml"), "--output", experiment.path("b.h5"), "--set",
                      "data.memory_mib=0", "--set", "threads=1"});
  BOOST_TEST(loaded["layers"] == decoded["layers"]);
  BOOST_TEST(loaded["integer_accuracy"].get<double>() > 0.9);
  BOOST_TEST(loaded["integer_accuracy"] == decoded["integer_accuracy"]);

  const trainer::DeployedModel model = trainer::load_model(experiment.path("a.ptq.bsm"));
  BOOST_TEST((model.network.nodes.front().output == quant::Shape{1, 8, 8}));
  BOOST_TEST((model.input.preprocessing == trainer::Preprocessing{trainer::ImageColor::gray, {10}, {8}}));
  BOOST_TEST(model.input.class_names == kClasses, boost::test_tools::per_element());
  const json inferred = experiment.run({"infer", experiment.path("a.ptq.bsm"), experiment.path("test")});
  BOOST_TEST(inferred["images"] == 80);
  BOOST_TEST(inferred["accuracy"].get<double>() > 0.9);

  // Classes go by their names: one class alone keeps its place.
  std::filesystem::create_directories(experiment.folder / "some");
  std::filesystem::rename(experiment.folder / "test" / kClasses[2], experiment.folder / "some" / kClasses[2]);
  const json some = experiment.run({"infer", experiment.path("a.ptq.bsm"), experiment.path("some")});
  BOOST_TEST(some["accuracy"].get<double>() > 0.8);
  std::filesystem::rename(experiment.folder / "some" / kClasses[2], experiment.folder / "some" / "up lift");
  const auto said = experiment.says({"infer", experiment.path("a.ptq.bsm"), experiment.path("some")});
  BOOST_TEST(said.exit_code == 2);
  BOOST_TEST(said.err.find("did you mean 'up left'?") != std::string::npos, said.err);

  // A folder of images alone has no labels, but answers.
  const std::string csv = experiment.path("p.csv"), folder = experiment.path("some/up lift");
  const json unlabelled =
      experiment.run({"infer", experiment.path("a.ptq.bsm"), folder, "--predictions", csv});
  BOOST_TEST(unlabelled["accuracy"].is_null());
  BOOST_TEST(unlabelled["images"] == 20);
  const std::string predictions = base::read_file(csv);
  BOOST_TEST(predictions.starts_with("image,class,probability\r\n\"" + folder + "/10.png\",\"up left\",0."));
  BOOST_TEST(std::ranges::count(predictions, '\n') == 21);
  std::filesystem::create_directory(experiment.folder / "none");
  const auto none = experiment.says({"infer", experiment.path("a.ptq.bsm"), experiment.path("none")});
  BOOST_TEST(none.exit_code == 2);
  BOOST_TEST(none.err.find("holds no images") != std::string::npos, none.err);
}

BOOST_AUTO_TEST_CASE(numpy_arrays_are_trained_on_deployed_and_inferred_from_raw_images) {
  const Experiment experiment;
  write_arrays(experiment, "train", 320, 1);
  write_arrays(experiment, "test", 80, 2);
  const auto pair = [&](const std::string& name) {
    return "[" + experiment.path(name + ".npy") + ", " + experiment.path(name + "_labels.npy") + "]";
  };
  std::ofstream(experiment.path("tiny.yaml"), std::ios::app)
      << "data: {format: numpy, layout: nhwc, train_files: " << pair("train")
      << ", test_files: " << pair("test")
      << ", resize: [8, 8], validation_images: 80, flip: false, mean: [0.5, 0.4, 0.3], deviation: [0.2, "
         "0.25, 0.3]}\n";
  experiment.run({"ptq", experiment.path("tiny.yaml"), "--output", experiment.path("a.h5")});
  const std::string model = experiment.path("a.ptq.bsm"), images = experiment.path("test.npy"),
                    labels = experiment.path("test_labels.npy");
  BOOST_TEST((trainer::load_model(model).network.nodes.front().output == quant::Shape{3, 8, 8}));
  const json inferred = experiment.run({"infer", model, images, labels, "--layout", "nhwc", "--batch", "7"});
  BOOST_TEST(inferred["images"] == 80);
  BOOST_TEST(inferred["accuracy"].get<double>() > 0.9);
  const std::string csv = experiment.path("p.csv");
  const json unlabelled =
      experiment.run({"infer", model, images, "--layout", "nhwc", "--images", "3", "--predictions", csv});
  BOOST_TEST(unlabelled["accuracy"].is_null());
  BOOST_TEST(base::read_file(csv).find("\r\n\"2\",2,") != std::string::npos);
  for (const std::vector<std::string>& mistake : {std::vector<std::string>{"infer", model, images, labels},
                                                  {"infer", model, images, labels, "--layout", "hwc"},
                                                  {"infer", model, labels, "--layout", "nhwc"},
                                                  {"infer", model, labels, images, "--layout", "nhwc"},
                                                  {"infer", model, experiment.folder.path().string()}}) {
    const auto said = experiment.says(mistake);
    BOOST_TEST(said.exit_code == 2, said.err);
    BOOST_TEST(said.out == "");
  }
}

BOOST_AUTO_TEST_SUITE_END()
