#include "search/command_evaluator.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "quant/base/parallel.hpp"
#include "search/reward.hpp"
#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;
using toy::contains;

namespace {

CommandEvaluator shell(const quant::NetworkInfo& network, const std::string& script, int retries = 0) {
  hwmodels::CommandOptions options;
  options.command = {"sh", "-c", script};
  options.timeout_s = 60;
  options.retries = retries;
  return CommandEvaluator(network, options);
}

std::string refusal(const std::string& answer) {
  const auto network = toy::chain(2);
  return toy::message_of([&] {
    shell(network, "echo '" + answer + "'").evaluate(quant::uniform_policy(network, {4, 8}));
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(command_evaluator)

BOOST_AUTO_TEST_CASE(the_program_is_told_every_layers_bits) {
  const auto network = toy::chain(2);
  quant::Policy policy = quant::uniform_policy(network, {4, 8});
  policy.layers[1] = {3, 32};
  const std::string expected = R"({"layers":[{"activation_bits":8,"name":"conv1","weight_bits":4},)"
                               R"({"activation_bits":32,"name":"conv2","weight_bits":3},)"
                               R"({"activation_bits":8,"name":"fc","weight_bits":4}],)"
                               R"("network":"chain","version":1})";
  auto evaluator =
      shell(network, "read line; [ \"$line\" = '" + expected + "' ] && echo '{\"accuracy\": 0.5}'");
  BOOST_TEST(evaluator.evaluate(policy).accuracy == 0.5);
}

BOOST_AUTO_TEST_CASE(formats_are_told_by_name_and_effective_bits) {
  const auto network = toy::chain(1);
  const quant::Policy policy = quant::uniform_policy(network, {*quant::find_format("mxfp4"), 8});
  auto evaluator = shell(network,
                         "read line; case \"$line\" in *'\"weight_bits\":4.25,\"weight_format\":\"mxfp4\"'*) "
                         "echo '{\"accuracy\": 0.5}';; esac");
  BOOST_TEST(evaluator.evaluate(policy).accuracy == 0.5);
}

BOOST_AUTO_TEST_CASE(cross_entropy_is_optional) {
  const auto network = toy::chain(2);
  const auto policy = quant::uniform_policy(network, {4, 8});
  BOOST_TEST(std::isnan(shell(network, "echo '{\"accuracy\": 0.25}'").evaluate(policy).cross_entropy));
  BOOST_TEST(
      shell(network, "echo '{\"accuracy\": 1, \"cross_entropy\": 0.5}'").evaluate(policy).cross_entropy ==
      0.5);
}

BOOST_AUTO_TEST_CASE(bad_answers_are_refused_with_what_came_and_what_was_expected) {
  BOOST_TEST(contains(refusal(R"({"accuracy": 91.2})"), "\"accuracy\" is 91.2, allowed is 0 to 1"));
  BOOST_TEST(contains(refusal(R"({"accuracy": -0.1})"), "allowed is 0 to 1"));
  BOOST_TEST(contains(refusal(R"({"accuracy": NaN})"), "not JSON"));
  BOOST_TEST(contains(refusal(R"({"accuracy": "0.9"})"), "must be a number"));
  BOOST_TEST(contains(refusal(R"({"acuracy": 0.9})"), "\"accuracy\" is missing"));
  BOOST_TEST(contains(refusal(R"({"accuracy": 0.9, "cross_entropy": -1})"), "\"cross_entropy\" is -1"));
  BOOST_TEST(contains(refusal(R"({"accuracy": 0.9, "cross_entropy": null})"), "must be a number, got null"));
  BOOST_TEST(contains(refusal("hello"), "(a share, not percent)"));
  BOOST_TEST(contains(refusal("hello"), "standard output (of the last attempt): hello"));
}

BOOST_AUTO_TEST_CASE(the_fingerprint_follows_command_and_program_text) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("bitsmith_evaluator_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto network = toy::chain(2);
  const auto fingerprint = [&](const std::string& text) {
    std::ofstream(folder / "program") << text;
    hwmodels::CommandOptions options;
    options.command = {"sh", (folder / "program").string()};
    return CommandEvaluator(network, options).fingerprint();
  };
  BOOST_TEST(fingerprint("exit 1") == fingerprint("exit 1"));
  BOOST_TEST(fingerprint("exit 1") != fingerprint("exit 2"));
  BOOST_TEST(shell(network, "exit 1").fingerprint() != shell(toy::chain(3), "exit 1").fingerprint());
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(the_documented_example_answers) {
  const auto network = toy::chain(4);
  hwmodels::CommandOptions options;
  options.command = {"python3", std::string(BITSMITH_SOURCE_DIR) + "/experiments/examples/evaluator.py"};
  options.timeout_s = 60;
  CommandEvaluator evaluator(network, options);
  std::vector<Evaluation> evaluations(4);
  base::parallel_for(4, [&](int i) {
    const int bits[] = {32, 8, 4, 2};
    evaluations[static_cast<std::size_t>(i)] =
        evaluator.evaluate(quant::uniform_policy(network, {bits[i], bits[i]}));
  });
  for (std::size_t i = 1; i < evaluations.size(); ++i) {
    BOOST_TEST(evaluations[i].accuracy < evaluations[i - 1].accuracy);
    BOOST_TEST(evaluations[i].cross_entropy > evaluations[i - 1].cross_entropy);
  }
}

BOOST_AUTO_TEST_CASE(the_documented_example_says_what_it_cannot_read) {
  const base::JsonProgram program(
      {{"python3", std::string(BITSMITH_SOURCE_DIR) + "/experiments/examples/evaluator.py"}, 60, 0, 1},
      "evaluator", "{}");
  BOOST_TEST(contains(toy::message_of([&] { program.ask({{"version", 2}}); }), "understands version 1"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(reward)

BOOST_AUTO_TEST_CASE(accuracy_is_haqs_equation) {
  const Reward reward(RewardKind::accuracy, 0.1, {0.905, 0.25});
  BOOST_TEST(reward({0.905, 9.0}) == 0.0);
  BOOST_TEST(std::abs(reward({0.885, 9.0}) - -0.2) < 1e-12);
}

BOOST_AUTO_TEST_CASE(cross_entropy_is_a_probability_in_percent_and_bounded) {
  const Reward reward(RewardKind::cross_entropy, 0.1, {0.9, 0.25});
  BOOST_TEST(reward({0.0, 0.25}) == 0.0);
  BOOST_TEST(reward({0.0, 0.2}) > 0.0);
  BOOST_TEST(std::abs(reward({0.0, 0.3}) - 10 * (std::exp(-0.3) - std::exp(-0.25))) < 1e-12);
  BOOST_TEST(reward({0.0, 1e6}) >= -10.0);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_rewarded_is_refused) {
  const double nan = std::nan("");
  BOOST_TEST(contains(toy::message_of([&] {
                        Reward(RewardKind::cross_entropy, 0.1, {0.9, nan});
                      }),
                      "use accuracy"));
  BOOST_TEST(contains(toy::message_of([&] {
                        Reward(RewardKind::accuracy, 0.1, {0.9, nan})({nan, 1});
                      }),
                      "accuracy is"));
  BOOST_CHECK_THROW(Reward(RewardKind::accuracy, 0.0, {0.9, 1}), base::UserError);
  BOOST_CHECK_THROW(Reward(RewardKind::accuracy, nan, {0.9, 1}), base::UserError);
  BOOST_CHECK_THROW(Reward(RewardKind::accuracy, 0.1, {91, 1}), base::UserError);
  BOOST_CHECK_THROW(Reward(RewardKind::cross_entropy, 0.1, {0.9, -1}), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
