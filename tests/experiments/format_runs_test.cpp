// Number formats through whole runs of the built program.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/experiments/experiment.hpp"

using namespace bitsmith;
using nlohmann::json;
using tests::Experiment;
using tests::kTimeout_s;

BOOST_AUTO_TEST_SUITE(format_runs)

BOOST_AUTO_TEST_CASE(formats_are_searched_priced_deployed_and_verified_like_bits) {
  const Experiment experiment;
  const std::string output = experiment.output("formats.h5");
  const json results = experiment.run({"run", "--output", output, "--set",
                                       "search.weight_bits=[mxfp4, ternary, 8, binary, kmeans3, pow2_3]"});
  const json winner = results["winner"];
  BOOST_TEST(winner["agreement"].get<double>() >= 0.99);
  std::set<std::string> seen;
  for (const json& search : results["searches"])
    for (const json& episode : search["episodes"])
      for (const json& weight : episode["weight_bits"]) seen.insert(weight.dump());
  BOOST_TEST(seen.count("\"mxfp4\"") == 1u);
  BOOST_TEST(seen.count("\"binary\"") == 1u);
  const auto says = [](std::vector<std::string> words) {
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    return base::run_process(words, "", kTimeout_s);
  };
  const auto shown = says({"show", output, "--json"});
  BOOST_REQUIRE_MESSAGE(shown.exit_code == 0, shown.err);
  BOOST_TEST(json::parse(shown.out)["winner"]["layers"] == winner["layers"]);
  const auto inferred =
      says({"infer", experiment.output("formats.bsm"), experiment.output("test.h5"), "--json"});
  BOOST_REQUIRE_MESSAGE(inferred.exit_code == 0, inferred.err);
  BOOST_TEST(json::parse(inferred.out)["accuracy"] == winner["deployed_test_accuracy"]);
  const auto verified = says({"verify", output, "--random", "2", "--rounds", "1", "--json"});
  BOOST_TEST(verified.exit_code == 0, verified.err);
  const auto ptq = experiment.says({"ptq", "--output", experiment.output("ptq.h5"), "--set",
                                    "ptq.policy=" + experiment.output("formats.policy.yaml"), "--set",
                                    "ptq.adaround.iterations=20", "--json"});
  BOOST_REQUIRE_MESSAGE(ptq.exit_code == 0, ptq.err);
}

BOOST_AUTO_TEST_SUITE_END()
