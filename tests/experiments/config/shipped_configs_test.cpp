#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "experiments/config/dump.hpp"
#include "experiments/config/load.hpp"

using namespace bitsmith::experiments;

BOOST_AUTO_TEST_SUITE(shipped_configs)

BOOST_AUTO_TEST_CASE(every_shipped_configuration_is_valid_and_survives_a_dump) {
  int loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BITSMITH_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const Config config = load_config(entry.path());
    BOOST_TEST(config.output == "results/" + entry.path().stem().string() + ".h5");
    BOOST_TEST(dump_config(parse_config(dump_config(config), "dump")) == dump_config(config));
    ++loaded;
  }
  BOOST_TEST(loaded >= 3);
}

BOOST_AUTO_TEST_SUITE_END()
