#include "hwmodels/command_model.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "quant/base/file.hpp"
#include "tests/hwmodels/networks.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels::CommandModel;
using hwmodels_tests::all_layers;
using hwmodels_tests::tiny_network;
using tests::message_has;
using tests::TemporaryFolder;

namespace {

hwmodels::CommandOptions shell(const std::string& script, double timeout_s = 20, int retries = 0) {
  return {{"sh", "-c", script}, timeout_s, retries, 2};
}

/// Answers with the first layer's weight bits as latency; `extra` goes into the answer.
hwmodels::CommandOptions echo_bits(const std::string& before = "", const std::string& extra = "") {
  return {{"python3", "-c",
           "import json, sys\n"
           "bits = [layer['weight_bits'] for layer in json.load(sys.stdin)['layers']]\n" +
               before + "\nprint(json.dumps({'latency_ms': bits[0]" + extra + "}))"},
          20,
          0,
          4};
}

const hwmodels::CommandOptions kExample{
    {"python3", BITSMITH_SOURCE_DIR "/experiments/examples/device.py"}, 60, 0, 2};

}  // namespace

BOOST_AUTO_TEST_SUITE(command_model)

BOOST_AUTO_TEST_CASE(the_question_tells_all_of_every_layer) {
  const quant::NetworkInfo network = tiny_network();
  quant::Policy policy = all_layers(network, {4, 8});
  policy.layers[3].activation = quant::kFloatBits;
  const nlohmann::json question = hwmodels::device_question(network, policy);
  BOOST_TEST(question["version"] == 1);
  BOOST_TEST(question["network"] == "tiny");
  BOOST_REQUIRE(question["layers"].size() == 4u);
  BOOST_TEST(question["layers"][2] ==
             nlohmann::json::parse(R"({"name": "dw", "kind": "depthwise", "weight_bits": 4,
      "activation_bits": 8, "macs": 1152, "weights": 72, "input": [8, 8, 8], "output": [8, 4, 4], "kernel": [3, 3],
      "stride": [2, 2], "groups": 8})"));
  BOOST_TEST(question["layers"][3]["kind"] == "linear");
  BOOST_TEST(question["layers"][3]["activation_bits"] == 32);
}

BOOST_AUTO_TEST_CASE(the_example_device_is_a_roofline) {
  const quant::NetworkInfo network = tiny_network();
  const CommandModel model(kExample, network);
  BOOST_REQUIRE(model.metrics().size() == 2u);
  BOOST_TEST(model.metrics()[0].name == "latency_ms");
  BOOST_TEST(model.metrics()[0].unit == "ms");
  BOOST_TEST(model.metrics()[1].name == "traffic_kib");
  BOOST_TEST(model.metrics()[1].unit == "KiB");
  BOOST_TEST(!model.is_cheap());
  const hwmodels::Cost cost = model.price(network, all_layers(network, {8, 8}));
  // Bytes of weights and inputs at 8 bits: 216 + 192, 576 + 512, 72 + 512, 80 + 8.
  BOOST_TEST(cost.totals[1] == (408 + 1088 + 584 + 88) / 1024.0);
  // Multiplying bounds both convolutions (64 GMAC/s), memory the others (4 GB/s), and 5 us start each of the
  // four.
  const double seconds = 13824 / 64e9 + 36864 / 64e9 + 584 / 4e9 + 88 / 4e9 + 4 * 5e-6;
  BOOST_TEST(cost.totals[0] == seconds * 1e3,
             boost::test_tools::tolerance(1e-12));  // another order of summation
  const hwmodels::Cost half = model.price(network, all_layers(network, {4, 4}));
  BOOST_TEST(half.totals[0] < cost.totals[0]);
  BOOST_TEST(half.totals[1] == cost.totals[1] / 2);
}

BOOST_AUTO_TEST_CASE(equal_policies_are_asked_once_even_at_the_same_time) {
  const TemporaryFolder folder;
  const quant::NetworkInfo network = tiny_network();
  const std::string log = (folder / "log").string();
  const CommandModel model(echo_bits("open('" + log + "', 'a').write('.')"), network);
  std::vector<std::thread> threads;
  std::vector<double> answers(6);
  for (std::size_t i = 0; i < answers.size(); ++i)
    threads.emplace_back([&, i] {
      answers[i] = model.price(network, all_layers(network, {i % 2 == 0 ? 3 : 8, 8})).totals[0];
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < answers.size(); ++i) BOOST_TEST(answers[i] == (i % 2 == 0 ? 3.0 : 8.0));
  BOOST_TEST(base::read_file(log) == "..");  // 8 bits by the constructor, 3 bits once
}

BOOST_AUTO_TEST_CASE(bad_programs_are_refused_with_the_reason) {
  const quant::NetworkInfo network = tiny_network();
  const auto refused = [&](const hwmodels::CommandOptions& options, std::vector<std::string> parts) {
    BOOST_CHECK_EXCEPTION(CommandModel(options, network), base::UserError, message_has(std::move(parts)));
  };
  refused({{}, 1, 0, 1}, {"hardware", "command is empty"});
  refused({{"/no/such/program"}, 1, 0, 1}, {"/no/such/program"});
  refused({{"true"}, 0, 0, 1}, {"timeout_s", "> 0"});
  refused(shell("echo wrong driver >&2; exit 3"), {"exit code 3", "wrong driver"});
  refused(shell("sleep 30", 0.2), {"time limit of 0.2 s"});
  refused(shell("exit 1", 5, 2), {"attempt 3 of 3"});
  refused(shell("true"), {"nothing to standard output"});
  refused(shell("echo fast"), {"not JSON"});
  refused(shell("echo '[1]'"), {"array"});
  refused(shell("echo '{}'"), {"\"latency_ms\" is missing", "expected: {\"latency_ms\": 1.25}"});
  refused(shell("echo '{\"latency_ms\": NaN}'"), {"not JSON"});
  refused(shell("echo '{\"latency_ms\": null}'"), {"latency_ms", "null"});
  refused(shell("echo '{\"latency_ms\": \"1\"}'"), {"latency_ms", "number"});
  refused(shell("echo '{\"latency_ms\": -1}'"), {"latency_ms", "-1", "0"});
  refused(shell("echo '{\"latency_ms\": 1e999}'"), {"latency_ms"});
  refused(shell("echo '{\"latency_ms\": 1, \"energy_mj\": -2}'"), {"energy_mj", "-2"});
  refused(shell("echo '{\"latency_ms\": 1, \"device\": \"phone\"}'"), {"device", "phone"});
  refused(shell("echo '{\"latency_ms\": 1, \"the size\": 2}'"), {"\"the size\"", "letters"});
}

BOOST_AUTO_TEST_CASE(a_program_that_succeeds_at_the_second_attempt_is_good_enough) {
  const TemporaryFolder folder;
  const std::string mark = (folder / "mark").string();
  const quant::NetworkInfo network = tiny_network();
  const CommandModel model(
      shell("test -e " + mark + " && echo '{\"latency_ms\": 2.5}' || { touch " + mark + "; exit 1; }", 20, 1),
      network);
  BOOST_TEST(model.price(network, all_layers(network, {8, 8})).totals[0] == 2.5);
}

BOOST_AUTO_TEST_CASE(later_answers_must_have_the_names_of_the_first) {
  const quant::NetworkInfo network = tiny_network();
  const CommandModel gains(echo_bits("more = {'extra': 1} if bits[0] == 4 else {}", ", **more"), network);
  BOOST_CHECK_EXCEPTION(gains.price(network, all_layers(network, {4, 8})), base::UserError,
                        message_has({"\"extra\" was not in its first answer"}));
  const CommandModel loses(echo_bits("more = {'extra': 1} if bits[0] == 8 else {}", ", **more"), network);
  BOOST_CHECK_EXCEPTION(loses.price(network, all_layers(network, {4, 8})), base::UserError,
                        message_has({"\"extra\" is missing"}));
}

BOOST_AUTO_TEST_CASE(a_failure_is_not_kept) {
  const TemporaryFolder folder;
  const std::string mark = (folder / "mark").string();
  const quant::NetworkInfo network = tiny_network();
  const CommandModel model(
      echo_bits("import os\nif bits[0] != 8 and not os.path.exists('" + mark + "'): sys.exit(1)"), network);
  BOOST_CHECK_THROW(model.price(network, all_layers(network, {4, 8})), base::UserError);
  base::replace_file(mark, "x");
  BOOST_TEST(model.price(network, all_layers(network, {4, 8})).totals[0] == 4.0);
}

BOOST_AUTO_TEST_CASE(the_fingerprint_sees_the_script_its_arguments_and_its_answer) {
  const TemporaryFolder folder;
  const quant::NetworkInfo network = tiny_network();
  const std::string script = (folder / "device.sh").string();
  const auto fingerprint = [&](const std::string& text, const std::string& argument) {
    base::replace_file(script, text);
    return CommandModel({{"sh", script, argument}, 20, 0, 1}, network).fingerprint();
  };
  const std::string first = fingerprint("echo '{\"latency_ms\": 1}'", "a");
  BOOST_TEST(fingerprint("echo '{\"latency_ms\": 1}'", "a") == first);
  std::set<std::string> all = {first, fingerprint("echo '{\"latency_ms\": 2}'", "a"),
                               fingerprint("echo '{\"latency_ms\": 1}'", "b"),
                               fingerprint("echo '{\"latency_ms\": 1}' # new", "a")};
  BOOST_TEST(all.size() == 4u);
}

BOOST_AUTO_TEST_SUITE_END()
