#include "experiments/config/describe.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <set>

#include "experiments/config/dump.hpp"
#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::experiments;

namespace {

void collect_paths(const base::YamlNode& node, const std::string& prefix, std::set<std::string>& paths) {
  for (const base::YamlEntry& entry : node.entries) {
    paths.insert(prefix + entry.key);
    collect_paths(entry.value, prefix + entry.key + ".", paths);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config_describe)

BOOST_AUTO_TEST_CASE(every_key_has_a_meaning_a_type_and_what_is_allowed) {
  std::set<std::string> described;
  for (const KeyDescription& key : describe_config()) {
    BOOST_TEST(key.meaning.size() > 5u, key.path);
    BOOST_TEST(!key.type.empty(), key.path);
    BOOST_TEST(described.insert(key.path).second, key.path);
    if (key.type == "group") continue;
    BOOST_TEST(!key.allowed.empty(), key.path);
    BOOST_TEST(key.required == key.default_value.empty(), key.path);
    const bool may_be_empty = key.default_value.starts_with("\"\"") || key.default_value.starts_with("[]");
    BOOST_TEST((!may_be_empty || key.default_value.size() > 4), key.path << " does not say what empty means");
  }
  std::set<std::string> dumped;
  collect_paths(config_to_yaml(Config{}), "", dumped);
  BOOST_TEST(described == dumped, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(quantities_have_units) {
  for (const char* path :
       {"train.epochs", "data.pad", "hardware.host.sample_ms", "search.episodes", "evaluator.timeout_s"})
    BOOST_TEST(!describe_config(path).at(0).unit.empty(), path);
}

BOOST_AUTO_TEST_CASE(a_path_selects_a_key_or_a_group) {
  BOOST_TEST(describe_config("search.ddpg.tau").size() == 1u);
  const auto group = describe_config("search.ddpg");
  BOOST_TEST(group.size() == 11u);
  BOOST_TEST(group[0].type == "group");
  BOOST_TEST(description_text(describe_config("train.batch")) ==
             "  train.batch (integer, images)\n      images per optimiser step\n      default 128; allowed: "
             "an integer, 1 "
             "to 65536\n");
}

BOOST_AUTO_TEST_CASE(an_unknown_path_names_the_nearest) {
  const auto message_of = [](const char* path) {
    try {
      describe_config(path);
    } catch (const base::UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  BOOST_TEST(message_of("search.epsiodes") ==
             "there is no key 'search.epsiodes', did you mean 'search.episodes'?");
  BOOST_TEST(message_of("tau") == "there is no key 'tau', did you mean 'search.ddpg.tau'?");
  BOOST_TEST(message_of("xyzzy") == "there is no key 'xyzzy'; `bitsmith describe` lists all");
}

BOOST_AUTO_TEST_CASE(the_json_form_has_all_keys) {
  const auto json = nlohmann::json::parse(description_json(describe_config()));
  BOOST_TEST(json["keys"].size() == describe_config().size());
  BOOST_TEST(json["keys"][0]["path"] == "seed");
  BOOST_TEST(json["keys"][0]["default"] == "1");
}

BOOST_AUTO_TEST_SUITE_END()
