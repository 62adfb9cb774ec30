#include "experiments/config/load.hpp"

#include "experiments/config/dump.hpp"
#include "experiments/config/network.hpp"

#include <boost/test/unit_test.hpp>

#include "quant/base/file.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/random.hpp"
#include "quant/policy.hpp"
#include "tests/experiments/config/config_text.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using namespace bitsmith::experiments;

namespace {

std::string network_names() {
  std::vector<std::string> names;
  for (const auto& row : bitsmith::trainer::network_rows()) names.emplace_back(row.name);
  return bitsmith::base::join_names(names);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config_load)

BOOST_AUTO_TEST_CASE(a_minimal_configuration_takes_every_default) {
  const Config config = parse_config(minimal_config, "c.yaml");
  BOOST_TEST(config.network.name == "cnn_small");
  BOOST_TEST(config.seed == 1);
  BOOST_TEST(config.train.batch == trainer::TrainOptions{}.batch);
  BOOST_TEST(config.finetune.learning_rate == 0.01);
  BOOST_REQUIRE(config.constraints.size() == 1u);
  BOOST_TEST((config.constraints[0] == Constraint{"size", 0.5, true}));
}

BOOST_AUTO_TEST_CASE(every_kind_of_value_is_read) {
  const Config config = parse_config(minimal_config + R"(
seed: 7
threads: 2
output: results/x.h5
data: {format: idx, train_files: [a, b], test_files: ['c', "d"], mean: [0.5, 1e-1], deviation: [1, 0.25], flip: false}
train: {optimizer: adam, schedule: step, step_epochs: [1, 2.5], epochs: 4, learning_rate: 1e-3}
quantization: {weight_granularity: tensor, activation_calibration: kl, first_layer_bits: 0}
evaluator:   # everything commented out
search: {weight_bits: [4, 6, 8], reward: accuracy, ddpg: {hidden: [30, 20], tau: 0.5}}
)",
                                     "c.yaml");
  BOOST_TEST(config.seed == 7);
  BOOST_TEST(config.output == "results/x.h5");
  BOOST_TEST((config.data.format == trainer::DataFormat::idx));
  BOOST_TEST(config.data.test_files == (std::vector<std::string>{"c", "d"}),
             boost::test_tools::per_element());
  BOOST_TEST(config.data.mean == (std::vector<double>{0.5, 0.1}), boost::test_tools::per_element());
  BOOST_TEST(!config.data.flip);
  BOOST_TEST((config.train.optimizer == trainer::OptimizerKind::adam));
  BOOST_TEST((config.train.schedule == trainer::ScheduleKind::step));
  BOOST_TEST(config.train.learning_rate == 1e-3);
  BOOST_TEST((config.quantization.weight_granularity == quant::Granularity::tensor));
  BOOST_TEST((config.quantization.activation_calibration == quant::Calibration::kl));
  BOOST_TEST(config.quantization.first_layer_bits == 0);
  BOOST_TEST(config.search.weight_bits == (std::vector<int>{4, 6, 8}), boost::test_tools::per_element());
  BOOST_TEST((config.search.reward == search::RewardKind::accuracy));
  BOOST_TEST(config.search.ddpg.hidden[1] == 20);
}

BOOST_AUTO_TEST_CASE(unknown_keys_name_the_nearest_or_the_allowed_ones) {
  BOOST_TEST(problem_of("serch: {}\n") == "c.yaml:3:1: serch: unknown key, did you mean 'search'?");
  BOOST_TEST(problem_of("search:\n  epsiodes: 3\n") ==
             "c.yaml:4:3: search.epsiodes: unknown key, did you mean 'episodes'?");
  BOOST_TEST(
      problem_of("search: {ddpg: {colour: 3}}\n") ==
      "c.yaml:3:17: search.ddpg.colour: unknown key, allowed: hidden, actor_learning_rate, "
      "critic_learning_rate, tau, discount, batch, replay_episodes, noise, noise_decay, baseline_decay");
  BOOST_TEST(problem_of("episodes: 3\n") ==
             "c.yaml:3:1: episodes: unknown key, did you mean 'search.episodes'?");
}

BOOST_AUTO_TEST_CASE(duplicate_keys_are_refused) {
  BOOST_TEST(problem_of("seed: 1\nseed: 2\n") == "c.yaml:4:1: duplicate key 'seed', first given in line 3");
}

BOOST_AUTO_TEST_CASE(wrong_types_tell_what_was_got_and_what_is_allowed) {
  BOOST_TEST(problem_of("train: {batch: many}\n") ==
             "c.yaml:3:16: train.batch: got 'many', allowed: an integer, 1 to 65536");
  BOOST_TEST(problem_of("train: {batch: 12.5}\n") ==
             "c.yaml:3:16: train.batch: got '12.5', allowed: an integer, 1 to 65536");
  BOOST_TEST(problem_of("train: {batch: '8'}\n") ==
             "c.yaml:3:16: train.batch: got \"8\", allowed: an integer, 1 to 65536; write it without quotes");
  BOOST_TEST(problem_of("train: {batch: 010}\n") ==
             "c.yaml:3:16: train.batch: got '010', allowed: an integer, 1 to 65536; leading zeros are not "
             "allowed, some programs read them as octal");
  BOOST_TEST(problem_of("train: {batch: [1]}\n") ==
             "c.yaml:3:16: train.batch: got a list, allowed: an integer, 1 to 65536");
  BOOST_TEST(problem_of("train: {batch: }\n") ==
             "c.yaml:3:16: train.batch: got nothing, allowed: an integer, 1 to 65536; leave the key out for "
             "its default");
  BOOST_TEST(problem_of("train: {nesterov: yes}\n") ==
             "c.yaml:3:19: train.nesterov: got 'yes', allowed: true, false, did you mean 'true'?");
  BOOST_TEST(problem_of("train: {momentum: .nan}\n") ==
             "c.yaml:3:19: train.momentum: got '.nan', allowed: a number, 0 to below 1");
  BOOST_TEST(problem_of("train: 3\n") == "c.yaml:3:8: train: got '3', allowed: a map of keys");
  BOOST_TEST(problem_of("data: {mean: 0.5, deviation: [1]}\n") ==
             "c.yaml:3:14: data.mean: got '0.5', allowed: a list (numbers, -10 to 10)");
  BOOST_TEST(problem_of("output: {a: b}\n") == "c.yaml:3:9: output: got a map, allowed: a text");
  BOOST_TEST(problems_of("- a\n").at(0) ==
             "c.yaml:1:1: got a list, allowed: a map of the keys that `bitsmith describe` lists");
}

BOOST_AUTO_TEST_CASE(values_out_of_range_are_refused) {
  BOOST_TEST(problem_of("train: {batch: 0}\n") ==
             "c.yaml:3:16: train.batch: got '0', allowed: an integer, 1 to 65536");
  BOOST_TEST(problem_of("seed: 99999999999\n") ==
             "c.yaml:3:7: seed: got '99999999999', allowed: an integer, 0 to 2147483647");
  BOOST_TEST(problem_of("train: {learning_rate: 0}\n") ==
             "c.yaml:3:24: train.learning_rate: got '0', allowed: a number, above 0 to 100");
  BOOST_TEST(problem_of("quantization: {first_layer_bits: 9}\n") ==
             "c.yaml:3:34: quantization.first_layer_bits: got '9', allowed: 0, 2, 3, 4, 5, 6, 7, 8, 32");
  BOOST_TEST(problem_of("search: {weight_bits: [2, 9]}\n") ==
             "c.yaml:3:27: search.weight_bits[1]: got '9', allowed: a list of at least 1 (" +
                 quant::allowed_weight_formats() + ")");
  BOOST_TEST(problem_of("search: {weight_bits: []}\n") ==
             "c.yaml:3:23: search.weight_bits: got 0 values, allowed: a list of at least 1 (" +
                 quant::allowed_weight_formats() + ")");
  BOOST_TEST(problem_of("search: {ddpg: {hidden: [3]}}\n") ==
             "c.yaml:3:25: search.ddpg.hidden: got 1 value, allowed: a list of 2 (integers, 1 to 4096)");
}

BOOST_AUTO_TEST_CASE(wrong_words_name_the_nearest) {
  BOOST_TEST(problem_of("train: {optimizer: sdg}\n") ==
             "c.yaml:3:20: train.optimizer: got 'sdg', allowed: sgd, adam, did you mean 'sgd'?");
  BOOST_TEST(problem_of("hardware: {models: [size, hots]}\n") ==
             "c.yaml:3:27: hardware.models[1]: got 'hots', allowed: a list (size, bops, host), did you mean "
             "'host'?");
  BOOST_TEST(problems_of("network: {name: resnet}\nconstraint: {size: 0.5x}\n").at(0) ==
             "c.yaml:1:17: network.name: got 'resnet', allowed: " + network_names() +
                 ", did you mean 'resnet8'?");
}

BOOST_AUTO_TEST_CASE(a_described_network_is_read_with_its_configuration_and_kept_with_it) {
  const bitsmith::tests::TemporaryFolder folder;
  const std::filesystem::path file = folder / "net.yaml";
  const std::string text =
      "name: mine  # \"quoted\": \ttabbed\nlayers:\n  - flatten: {}\n  - linear: {out: classes}\n";
  base::replace_file(file, text);
  const std::string config = "network: {file: '" + file.string() + "'}\nconstraint: {size: 0.5x}\n";
  const Config read = parse_config(config, "c.yaml");
  BOOST_TEST(read.network.description == text);
  BOOST_TEST(build_network(read.network, {1, 4, 4}, 3).name == "mine");

  BOOST_TEST(parse_config(minimal_config, "c.yaml",
                          std::vector<std::string>{"network.name=", "network.file=" + file.string()})
                 .network.description == text);

  // Results stand alone, and a file that changes is another experiment.
  const std::string dumped = dump_config(read), identity = config_identity(read);
  base::replace_file(file, text + "\n");
  BOOST_TEST(parse_config(dumped, "dump").network.description == text);
  BOOST_TEST(dump_config(parse_config(dumped, "dump")) == dumped);
  BOOST_TEST(config_identity(parse_config(dumped, "dump")) == identity);
  BOOST_TEST(config_identity(parse_config(config, "c.yaml")) != identity);

  base::replace_file(file, "name: mine\nlayers:\n  - flaten: {}\n  - linear: {ot: classes}\n");
  const std::vector<std::string> problems = problems_of(config);
  BOOST_REQUIRE(problems.size() == 3u);
  BOOST_TEST(
      problems[0].starts_with("c.yaml:1:11: network.file: " + file.string() + ":3:5: layers[0]: got "));
  BOOST_TEST(problems[0].ends_with("did you mean 'flatten'?"));
  base::replace_file(file, "");
  BOOST_TEST(problems_of(config).at(0).ends_with(":1:1: got nothing, allowed: a map of name and layers"));
  std::filesystem::remove(file);
  BOOST_TEST(problems_of(config).at(0).starts_with("c.yaml:1:11: network.file: "));

  BOOST_TEST(problem_of("", {"network.file=x.yaml"})
                 .ends_with("network.file: give one of network.name, network.file and network.model"));
  BOOST_TEST(problems_of("network: {name: ''}\nconstraint: {size: 0.5x}\n").at(0) ==
             "c.yaml:1:11: network.name: give network.name, a built-in network, or network.file, which "
             "describes one, or network.model, an ONNX file");
}

BOOST_AUTO_TEST_CASE(what_has_no_default_is_required) {
  const std::vector<std::string> problems = problems_of("seed: 1\nnetwork: {}\n");
  BOOST_REQUIRE(problems.size() == 2u);
  BOOST_TEST(problems[0].starts_with("c.yaml: constraint: is required; allowed: "));
  BOOST_TEST(problems[1] == "c.yaml:2:1: network.name: is required; allowed: " + network_names());
}

BOOST_AUTO_TEST_CASE(all_problems_are_reported_at_once_in_the_order_of_the_text) {
  const std::vector<std::string> problems = problems_of(
      "sead: 1\nnetwork: {name: cnn_smal}\nconstraint: {size: 0.5}\ntrain:\n  batch: 0\n  batch: 3\n  "
      "optimizer: sdg\n"
      "search: {warmup_episodes: 20, episodes: 10}\n",
      {"train.shards=x", "nosuch.key=1"});
  BOOST_REQUIRE(problems.size() == 9u);
  BOOST_TEST(problems[0].starts_with("c.yaml:1:1: sead: unknown key"));
  BOOST_TEST(problems[1].starts_with("c.yaml:2:17: network.name: got 'cnn_smal'"));
  BOOST_TEST(problems[2].starts_with("c.yaml:3:20: constraint.size: got '0.5' without a unit"));
  BOOST_TEST(problems[3].starts_with("c.yaml:5:10: train.batch: got '0'"));
  BOOST_TEST(problems[4].starts_with("c.yaml:6:3: duplicate key 'batch'"));
  BOOST_TEST(problems[5].starts_with("c.yaml:7:14: train.optimizer"));
  BOOST_TEST(problems[6].starts_with("c.yaml:8:10: search.warmup_episodes"));
  BOOST_TEST(problems[7].starts_with("--set train.shards=x: train.shards: got 'x'"));
  BOOST_TEST(problems[8].starts_with("--set nosuch.key=1: nosuch: unknown key"));
}

BOOST_AUTO_TEST_CASE(broken_yaml_is_located) {
  BOOST_TEST(problems_of("a: [1, 2\n").at(0).starts_with("c.yaml:"));
  BOOST_TEST(
      problems_of(minimal_config + "---\nseed: 1\n").at(0).starts_with("c.yaml:3:1: a second document"));
}

BOOST_AUTO_TEST_CASE(mutilated_configurations_give_problems_or_a_configuration_but_never_crash) {
  const std::string text = base::read_file(BITSMITH_SOURCE_DIR "/configs/quickstart.yaml");
  const std::string_view splinters[] = {"[",   "]",  "{",  "}", ":",  "- ", "\n", "  ",
                                        "1e9", "-1", "0x", "~", "\"", "&a", "*a"};
  base::Rng rng(3);
  for (int i = 0; i < 500; ++i) {
    std::string mutilated = text;
    for (int k = 0; k < 4; ++k) {
      const std::size_t at = rng.below(mutilated.size());
      if (rng.below(2) == 0) {
        mutilated.erase(at, 1 + rng.below(20));
      } else {
        mutilated.insert(at, splinters[rng.below(std::size(splinters))]);
      }
    }
    for (const std::string& problem : problems_of(mutilated))
      BOOST_TEST(problem.starts_with("c.yaml"), problem);
  }
}

BOOST_AUTO_TEST_CASE(the_output_is_named_after_the_configuration) {
  const Config config = load_config(std::string(BITSMITH_SOURCE_DIR) + "/configs/smoke.yaml", {});
  BOOST_TEST(config.output == "results/smoke.h5");
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_a_user_error) {
  BOOST_CHECK_THROW(load_config("/nonexistent/c.yaml"), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
