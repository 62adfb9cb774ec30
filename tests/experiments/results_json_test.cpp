#include "experiments/results_json.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "experiments/report_terminal.hpp"
#include "quant/base/yaml.hpp"
#include "tests/experiments/example_results.hpp"

using namespace bitsmith;
using namespace bitsmith::experiments;

BOOST_AUTO_TEST_SUITE(results_text)

BOOST_AUTO_TEST_CASE(the_json_form_is_one_object_with_the_documented_keys) {
  const auto json = nlohmann::json::parse(results_json(example_results()));
  for (const char* key : {"network", "methods", "winner", "constraints", "layers", "training", "stages",
                          "provenance", "searches", "config"})
    BOOST_TEST(json.contains(key), key);
  BOOST_REQUIRE(json["methods"].size() == 3u);
  for (const char* key : {"name", "within_budget", "validation_accuracy", "test_accuracy", "latency_ms",
                          "size_kib", "mean_weight_bits", "mean_activation_bits", "evaluations"})
    BOOST_TEST(json["methods"][0].contains(key), key);
  BOOST_TEST(json["methods"][1]["validation_accuracy"] == 0.88);
  BOOST_TEST(json["methods"][1]["latency_ms"].is_null());
  BOOST_TEST(json["methods"][0]["evaluations"].is_null());
  BOOST_TEST(json["winner"]["method"] == "ddpg");
  BOOST_TEST(json["winner"]["layers"][0]["kernel"] == "conv_s8");
  BOOST_TEST(json["winner"]["layers"][1]["kernel"].is_null());
  BOOST_TEST(json["constraints"][1]["met"] == false);
  BOOST_TEST(json["searches"][0]["episodes"][0]["costs"]["size_kib"] == 0.5);
  BOOST_TEST(json["training"][0]["learning_rate"] == 0.1);
  BOOST_TEST(json["training"][1]["validation_accuracy"].is_null());
  BOOST_TEST(json["training_steps"]["loss"].size() == 3u);
  BOOST_TEST(nlohmann::json::parse(results_json({}))["winner"].is_null());
}

BOOST_AUTO_TEST_CASE(the_yaml_summary_reads_back) {
  const base::YamlNode root = base::parse_yaml(results_yaml(example_results()), "summary").root;
  const base::YamlNode* methods = root.find("methods");
  BOOST_REQUIRE(methods != nullptr);
  BOOST_TEST(methods->items.at(1).find("name")->text == "ddpg");
  BOOST_TEST(methods->items.at(1).find("latency_ms")->is_null());
  BOOST_TEST(base::yaml_real(*methods->items.at(1).find("test_accuracy")).value() == 0.87);
  BOOST_TEST(root.find("searches") == nullptr);
}

BOOST_AUTO_TEST_CASE(names_that_are_not_utf8_do_not_break_the_json) {
  RunResults results = example_results();
  results.layers[0].name = "conv\xff";
  BOOST_CHECK_NO_THROW(nlohmann::json::parse(results_json(results)));
}

BOOST_AUTO_TEST_CASE(the_terminal_report_shows_methods_constraints_and_layers) {
  const std::string report = terminal_report(example_results());
  for (const char* part : {"ddpg *", "88.00", "uniform within budget", "0.5x", "NO", "conv_s8", "30.5",
                           "60.0", "█", "(between layers)", "fp32", "train 1.0 min"})
    BOOST_TEST(report.find(part) != std::string::npos, part << " is missing in\n" << report);
  BOOST_TEST(terminal_report({}).find("Winner") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
