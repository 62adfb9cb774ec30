#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "experiments/config/dump.hpp"
#include "experiments/config/load.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith::experiments;

BOOST_AUTO_TEST_SUITE(shipped_configs)

BOOST_AUTO_TEST_CASE(every_shipped_configuration_is_valid_and_survives_a_dump) {
  // configs/onnx.yaml names what this script makes.
  const bitsmith::tests::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "results");
  const auto made = bitsmith::base::run_process(
      {"/usr/bin/python3", BITSMITH_SOURCE_DIR "/experiments/examples/export_torchvision.py",
       (folder / "results" / "resnet_small.onnx").string()},
      "", 120);
  BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.err);
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(folder / "");
  int loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BITSMITH_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const Config config = load_config(entry.path());
    BOOST_TEST(config.output == "results/" + entry.path().stem().string() + ".h5");
    BOOST_TEST(dump_config(parse_config(dump_config(config), "dump")) == dump_config(config));
    ++loaded;
  }
  std::filesystem::current_path(here);
  BOOST_TEST(loaded >= 3);
}

BOOST_AUTO_TEST_SUITE_END()
