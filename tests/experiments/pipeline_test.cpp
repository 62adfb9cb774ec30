// Whole runs of the built program, on images small enough for seconds: what a user relies on.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "hwmodels/latency_table_file.hpp"
#include "quant/base/file.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/experiments/experiment.hpp"

using namespace bitsmith;
using nlohmann::json;
using tests::Experiment;
using tests::kTimeout_s;

namespace {

/// What must not depend on threads, interruptions or the time of day.
json essence(json results) {
  for (const char* key : {"provenance", "stages", "config"}) results.erase(key);
  json& winner = results["winner"];
  for (const char* key : {"measured_ms", "measured_uniform8_ms", "measured_other_microseconds"})
    winner.erase(key);
  for (json& layer : winner["layers"]) layer.erase("measured_microseconds");
  return results;
}

/// Equal but for that; if not, where.
boost::test_tools::assertion_result same_essence(const json& one, const json& other) {
  const json difference = json::diff(essence(one), essence(other));
  boost::test_tools::assertion_result result(difference.empty());
  if (!result) result.message() << difference.dump();
  return result;
}

std::size_t lines(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) ++count;
  return count;
}

/// Starts a run, kills it with SIGKILL as soon as `journal` has `wanted` lines; false if it ended before.
bool kill_when(const std::vector<std::string>& command, const std::filesystem::path& journal,
               std::size_t wanted) {
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char*> words;
    for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    if (std::freopen("/dev/null", "w", stdout) == nullptr ||
        std::freopen("/dev/null", "w", stderr) == nullptr)
      _exit(126);
    execv(words[0], words.data());
    _exit(127);
  }
  int status = 0;
  for (;;) {
    if (lines(journal) >= wanted) break;
    if (waitpid(child, &status, WNOHANG) == child) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pipeline)

BOOST_AUTO_TEST_CASE(a_run_keeps_every_promise_of_its_summary) {
  const Experiment experiment;
  const json results = experiment.run({"run", "--output", experiment.output("a.h5")});
  std::map<std::string, json> methods;
  for (const json& row : results["methods"]) methods[row["name"]] = row;
  for (const char* name : {"fp32", "uniform8", "uniform6", "uniform4", "uniform_best", "random", "agent"}) {
    BOOST_REQUIRE_MESSAGE(methods.count(name), name);
    for (const char* key : {"validation_accuracy", "test_accuracy", "latency_ms", "size_kib",
                            "mean_weight_bits", "mean_activation_bits", "evaluations"})
      BOOST_TEST(methods[name][key].is_number(), name << "." << key);
  }
  const json& winner = methods[results["winner"]["method"]];
  BOOST_TEST(winner["within_budget"] == true);
  BOOST_TEST(winner["validation_accuracy"].get<double>() >=
             methods["uniform_best"]["validation_accuracy"].get<double>());
  BOOST_TEST(methods["random"]["evaluations"] == methods["agent"]["evaluations"]);
  // A row is what its own method came to.
  for (const json& search : results["searches"]) {
    const std::string name = search["method"] == "uniform" ? "uniform_best" : search["method"];
    const bool own =
        search["method"] == "uniform" || std::ranges::any_of(search["episodes"], [&](const json& episode) {
          return episode["weight_bits"] == methods[name]["weight_bits"] &&
                 episode["activation_bits"] == methods[name]["activation_bits"];
        });
    BOOST_TEST(own, name);
  }
  for (const json& constraint : results["constraints"]) BOOST_TEST(constraint["met"] == true);
  for (const char* extension : {".h5", ".summary.yaml", ".policy.yaml", ".network.h5"})
    BOOST_TEST(std::filesystem::exists(experiment.folder / (std::string("a") + extension)), extension);

  const auto shown =
      base::run_process({BITSMITH_EXECUTABLE, "show", experiment.output("a.h5"), "--json"}, "", kTimeout_s);
  BOOST_TEST(same_essence(json::parse(shown.out), results));
}

// The price table is part of a run's identity. Canaries slower than any machine's are a reason to measure
// again, wherever this test runs.
BOOST_AUTO_TEST_CASE(a_run_that_goes_on_keeps_its_prices_whatever_the_canaries_say) {
  const Experiment experiment;
  const std::string output = experiment.output("priced.h5");
  const std::vector<std::filesystem::path> tables = {experiment.folder / "priced.work" / "prices.h5",
                                                     experiment.folder / "latency.h5"};
  const std::vector<std::string> profile = {"profile", "--output", output, "--set",
                                            "hardware.host.canary_tolerance=0.2"};
  const json first = experiment.run(profile);
  std::vector<std::string> before;
  for (const auto& file : tables) {
    hwmodels::LatencyTable table = hwmodels::load_latency_table(file);
    table.canaries = {{1e6, 1e6, 1e6}};
    hwmodels::save_latency_table(table, file);
    before.push_back(base::read_file(file));
  }
  const json again = experiment.run(profile);
  BOOST_TEST(again["provenance"]["price_table_hash"] == first["provenance"]["price_table_hash"]);
  for (std::size_t i = 0; i < tables.size(); ++i)
    BOOST_TEST((base::read_file(tables[i]) == before[i]), tables[i].string());

  std::vector<std::string> fresh = profile;
  fresh.emplace_back("--fresh");
  const auto measured = experiment.says(fresh);
  BOOST_TEST(measured.exit_code == 0);
  BOOST_TEST(measured.err.find("took 1000000.000 ns when the table was made") != std::string::npos,
             measured.err);
  for (std::size_t i = 0; i < tables.size(); ++i) BOOST_TEST((base::read_file(tables[i]) != before[i]));

  hwmodels::LatencyTable table = hwmodels::load_latency_table(tables[1]);
  table.canaries = {{1e-6, 1e-6, 1e-6}};
  hwmodels::save_latency_table(table, tables[1]);
  fresh.emplace_back("--quiet");
  const auto warned = experiment.says(fresh);
  BOOST_TEST(warned.exit_code == 0);
  BOOST_TEST(warned.err.starts_with("bitsmith: warning: this machine is slower"), warned.err);
}

BOOST_AUTO_TEST_CASE(a_configuration_may_change_while_no_episode_would_be_lost) {
  const Experiment experiment;
  const std::string output = experiment.output("changing.h5");
  BOOST_TEST(experiment.says({"train", "--output", output}).exit_code == 0);
  BOOST_TEST(experiment.says({"search", "--output", output, "--set", "seed=4"}).exit_code == 0);
  const auto refused = experiment.says({"run", "--output", output});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("unfinished run of another configuration") != std::string::npos, refused.err);
}

BOOST_AUTO_TEST_CASE(what_is_not_bitsmiths_is_not_replaced) {
  const Experiment experiment;
  std::ofstream(experiment.folder / "notes.h5") << "dear diary";
  const auto refused = experiment.says({"run", "--output", experiment.output("notes.h5")});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("exists and is no results file of bitsmith") != std::string::npos, refused.err);
  std::filesystem::create_directory(experiment.folder / "folder.h5");
  BOOST_TEST(experiment.says({"run", "--output", experiment.output("folder.h5")}).exit_code == 2);
}

BOOST_AUTO_TEST_CASE(a_missing_test_file_is_told_before_anything_is_trained) {
  const Experiment experiment;
  const auto refused = experiment.says({"run", "--output", experiment.output("missing.h5"), "--set",
                                        "data.test_files=[" + experiment.output("nowhere.h5") + "]"});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("nowhere.h5: is no file") != std::string::npos, refused.err);
  BOOST_TEST(!std::filesystem::exists(experiment.folder / "missing.work" / "trained.h5"));
}

BOOST_AUTO_TEST_CASE(users_own_evaluator_and_device_take_the_place_of_the_built_in_ones) {
  const Experiment experiment;
  const std::string examples = BITSMITH_SOURCE_DIR "/experiments/examples/";
  const auto config = experiment.folder / "programs.yaml";
  // The least a user would write: the evaluator answers {"accuracy": ...} alone.
  std::ofstream(experiment.folder / "accuracy.py")
      << "import json, sys\n"
         "layers = json.load(sys.stdin)['layers']\n"
         "print(json.dumps({'accuracy': 1 - sum(0.01 / l['weight_bits'] for l in layers)}))\n";
  std::ofstream(config) << "network: {name: cnn_small}\n"
                        << "evaluator: {command: [python3, " << (experiment.folder / "accuracy.py").string()
                        << "]}\nhardware: {models: [size], command: [python3, " << examples << "device.py]}\n"
                        << "constraint: {latency: 0.8x, traffic_kib: 0.7x}\n"
                        << "search: {episodes: 6, warmup_episodes: 2, round: 2}\n";
  const auto result = base::run_process(
      {BITSMITH_EXECUTABLE, "run", config.string(), "--json", "--output", experiment.output("programs.h5")},
      "", kTimeout_s);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  const json results = json::parse(result.out);
  BOOST_REQUIRE(results["constraints"].size() == 2u);
  for (const json& constraint : results["constraints"]) BOOST_TEST(constraint["met"] == true);
  BOOST_TEST(results["methods"].back()["evaluations"] == 6);
  BOOST_TEST(results["methods"].back()["test_accuracy"].is_null());
}

BOOST_AUTO_TEST_CASE(the_winner_is_deployed_executed_and_verified) {
  const Experiment experiment;
  const std::string output = experiment.output("r.h5"), model = experiment.output("r.bsm");
  const std::string images = experiment.output("test.h5");
  const json winner = experiment.run({"run", "--output", output})["winner"];
  BOOST_TEST(winner["measured_ms"].get<double>() > 0);
  BOOST_TEST(winner["measured_uniform8_ms"].get<double>() > 0);
  BOOST_TEST(winner["agreement"].get<double>() >= 0.99);  // 120 images: at most one differs
  BOOST_TEST(!winner["verdict"].get<std::string>().empty());
  for (const json& layer : winner["layers"]) BOOST_TEST(layer["measured_microseconds"].get<double>() > 0);

  const auto says = [](std::vector<std::string> words) {
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    return base::run_process(words, "", kTimeout_s);
  };
  for (const char* batch : {"1", "50"}) {
    const auto inferred = says({"infer", model, images, "--batch", batch, "--json"});
    BOOST_REQUIRE_MESSAGE(inferred.exit_code == 0, inferred.err);
    const json inference = json::parse(inferred.out);
    BOOST_TEST(inference["images"] == 120);
    BOOST_TEST(inference["accuracy"] == winner["deployed_test_accuracy"]);
    BOOST_TEST(inference["latency_ms"]["min"] <= inference["latency_ms"]["median"]);
    BOOST_TEST(inference["latency_ms"]["median"] <= inference["latency_ms"]["max"]);
  }
  BOOST_TEST(says({"infer", model, images}).out.find("images/s") != std::string::npos);

  const auto verified = says({"verify", output, "--random", "3", "--rounds", "2", "--json"});
  BOOST_REQUIRE_MESSAGE(verified.exit_code == 0, verified.err);
  const json verification = json::parse(verified.out);
  BOOST_REQUIRE(verification["policies"].size() == 5u);
  BOOST_TEST(verification["policies"][0]["label"] == "winner");
  BOOST_TEST(verification["policies"][1]["label"] == "uniform8");
  for (const json& policy : verification["policies"]) {
    double sum = 0;
    for (const json& step : policy["steps"]) sum += step["predicted_us"].get<double>();
    BOOST_TEST(sum == 1e3 * policy["predicted_ms"].get<double>(), boost::test_tools::tolerance(1e-9));
    BOOST_TEST(policy["measured_ms"].get<double>() > 0);
  }
  const auto own = says({"verify", output, "--policy", experiment.output("r.policy.yaml"), "--random", "0",
                         "--rounds", "1", "--json"});
  BOOST_REQUIRE_MESSAGE(own.exit_code == 0, own.err);
  BOOST_TEST(json::parse(own.out)["policies"][2]["label"] == "r.policy.yaml");
  const auto foreign =
      says({"verify", experiment.output("tiny.yaml"), "--policy", experiment.output("tiny.yaml")});
  BOOST_TEST(foreign.exit_code == 2);
  BOOST_TEST(foreign.err.find("tiny.yaml:1") != std::string::npos, foreign.err);
  const auto unsearched = says({"verify", experiment.output("tiny.yaml"), "--random", "2", "--batch", "2",
                                "--rounds", "1", "--quiet"});
  BOOST_TEST(unsearched.exit_code == 0, unsearched.err);
  BOOST_TEST(unsearched.out.find("Batch 2, 1 rounds: median error") != std::string::npos, unsearched.out);
  BOOST_TEST(says({"verify", experiment.output("tiny.yaml"), "--random", "-1"}).exit_code == 2);
  BOOST_TEST(says({"verify", experiment.output("none.h5")}).exit_code == 2);
  BOOST_TEST(says({"verify", images}).exit_code == 2);

  for (const std::vector<std::string>& mistake : {std::vector<std::string>{"infer", output, images},
                                                  {"infer", experiment.output("none.bsm"), images},
                                                  {"infer", model, "fashion_mnist"},
                                                  {"infer", model, experiment.output("none.h5")},
                                                  {"infer", model, model, model},
                                                  {"infer", model, images, "--format", "idk"},
                                                  {"infer", model, images, "--images", "121"},
                                                  {"infer", model, images, "--batch", "0"}}) {
    const auto refused = says(mistake);
    BOOST_TEST(refused.exit_code == 2, refused.err);
    BOOST_TEST(refused.out == "");
  }
}

/// 10,000 images are too many for scalar loops; that all instruction sets compute the same has tests of its
/// own.
boost::test_tools::assertion_result with_the_cpus_own_instructions(boost::unit_test::test_unit_id) {
  return std::getenv("BITSMITH_ISA") == nullptr;
}

BOOST_AUTO_TEST_CASE(at_least_999_of_1000_test_images_get_the_class_that_training_gives_them,
                     *boost::unit_test::precondition(with_the_cpus_own_instructions)) {
  const Experiment experiment;  // for its folder alone: these are real images
  for (const char* joins : {"fp32", "int8"}) {
    const auto run = base::run_process(
        {BITSMITH_EXECUTABLE, "run", std::string(BITSMITH_SOURCE_DIR) + "/configs/smoke.yaml", "--json",
         "--quiet", "--output", experiment.output(std::string(joins) + ".h5"), "--set",
         std::string("network.joins=") + joins, "--set", "data.test_images=0", "--set",
         "data.train_images=4000"},
        "", kTimeout_s);
    BOOST_REQUIRE_MESSAGE(run.exit_code == 0, run.err);
    BOOST_TEST(json::parse(run.out)["winner"]["agreement"].get<double>() >= 0.999);
  }
}

BOOST_AUTO_TEST_CASE(a_model_of_one_instruction_set_runs_with_another_and_says_the_same) {
  const Experiment experiment;
  experiment.run({"run", "--output", experiment.output("r.h5")});
  std::set<double> accuracies;
  for (const char* isa : {"scalar", ""}) {
    const auto inferred =
        base::run_process({"/usr/bin/env", std::string("BITSMITH_ISA=") + isa, BITSMITH_EXECUTABLE, "infer",
                           experiment.output("r.bsm"), experiment.output("test.h5"), "--json"},
                          "", kTimeout_s);
    BOOST_REQUIRE_MESSAGE(inferred.exit_code == 0, inferred.err);
    accuracies.insert(json::parse(inferred.out)["accuracy"].get<double>());
  }
  BOOST_TEST(accuracies.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_network_whose_additions_are_integers_is_searched_deployed_and_verified) {
  const Experiment experiment;
  const std::string output = experiment.output("joins.h5");
  const json winner = experiment.run(
      {"run", "--output", output, "--set", "network.name=resnet8", "--set", "network.joins=int8"})["winner"];
  BOOST_TEST(winner["agreement"].get<double>() >= 0.99);  // 120 images: at most one differs
  const auto says = [](std::vector<std::string> words) {
    words.insert(words.begin(), BITSMITH_EXECUTABLE);
    return base::run_process(words, "", kTimeout_s);
  };
  const auto inferred =
      says({"infer", experiment.output("joins.bsm"), experiment.output("test.h5"), "--json"});
  BOOST_REQUIRE_MESSAGE(inferred.exit_code == 0, inferred.err);
  BOOST_TEST(json::parse(inferred.out)["accuracy"] == winner["deployed_test_accuracy"]);
  const auto verified = says({"verify", output, "--random", "2", "--rounds", "1", "--json"});
  BOOST_TEST(verified.exit_code == 0, verified.err);
  const auto refused = experiment.says({"check", "--set", "network.joins=int4"});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("fp32, int8") != std::string::npos, refused.err);
}

BOOST_AUTO_TEST_CASE(results_do_not_depend_on_the_number_of_threads) {
  const Experiment experiment;
  const json one = experiment.run({"run", "--output", experiment.output("one.h5"), "--set", "threads=1"});
  const json two = experiment.run({"run", "--output", experiment.output("two.h5"), "--set", "threads=2"});
  const json five = experiment.run({"run", "--output", experiment.output("five.h5"), "--set", "threads=5"});
  BOOST_TEST(same_essence(one, two));
  BOOST_TEST(same_essence(one, five));
}

BOOST_AUTO_TEST_CASE(a_run_killed_at_any_moment_ends_as_if_it_had_not_been) {
  const Experiment experiment;
  const json whole = experiment.run({"run", "--output", experiment.output("whole.h5")});
  const auto work = experiment.folder / "torn.work";
  const auto command = experiment.command({"run", "--resume", "--output", experiment.output("torn.h5")});
  // While training, in random search, in the agent's search: each time further on.
  BOOST_TEST(kill_when(command, work / "trained.h5", 1));
  BOOST_TEST(kill_when(command, work / "episodes-random.jsonl", 4));
  BOOST_TEST(kill_when(command, work / "episodes-agent.jsonl", 7));
  const auto refused = experiment.says({"run", "--output", experiment.output("torn.h5")});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("--resume") != std::string::npos, refused.err);
  const auto changed = experiment.says(
      {"run", "--resume", "--output", experiment.output("torn.h5"), "--set", "search.ddpg.noise=0.4"});
  BOOST_TEST(changed.exit_code == 2);
  BOOST_TEST(changed.err.find("search.ddpg.noise: was 0.5, is 0.4") != std::string::npos, changed.err);

  const json torn = experiment.run({"run", "--resume", "--output", experiment.output("torn.h5")});
  BOOST_TEST(same_essence(torn, whole));
  const json again = experiment.run({"run", "--resume", "--output", experiment.output("torn.h5")});
  BOOST_TEST(again == torn);
}

BOOST_AUTO_TEST_CASE(a_run_with_every_way_of_training_resumes_from_any_step) {
  const Experiment experiment;
  const auto with = [&](std::vector<std::string> words) {
    for (const char* setting :
         {"train.ema=0.9", "train.mixup=0.2", "train.clip_norm=1", "train.early_stopping=2",
          "train.checkpoint_steps=1", "train.schedule=cosine_restarts", "finetune.distillation=0.5",
          "finetune.ema=0.9", "finetune.early_stopping=1", "search.episodes=4", "search.warmup_episodes=2",
          "search.round=2"})
      words.insert(words.end(), {"--set", setting});
    return words;
  };
  const json whole = experiment.run(with({"run", "--output", experiment.output("whole.h5")}));
  BOOST_TEST_REQUIRE(whole["training"].size() == 3u);
  BOOST_TEST(whole["training_steps"]["loss"].size() == 30u);
  for (const json& epoch : whole["training"])
    for (const auto& [key, value] : epoch.items()) BOOST_TEST(value.is_number(), key);
  const auto work = experiment.folder / "torn.work";
  const auto command =
      experiment.command(with({"run", "--resume", "--output", experiment.output("torn.h5")}));
  BOOST_TEST(kill_when(command, work / "trained.h5", 1));
  BOOST_TEST(!std::filesystem::exists(work / "trained.best.h5"));  // it was killed within the first epoch
  const json torn = experiment.run(with({"run", "--resume", "--output", experiment.output("torn.h5")}));
  BOOST_TEST(same_essence(torn, whole));
  BOOST_TEST(std::filesystem::exists(work / "trained.best.h5"));
}

BOOST_AUTO_TEST_CASE(a_training_that_diverges_twice_says_what_to_change_and_keeps_its_checkpoint) {
  const Experiment experiment;
  const auto result = experiment.says({"train", "--output", experiment.output("a.h5"), "--set",
                                       "train.learning_rate=100", "--set", "train.warmup_epochs=1.5", "--set",
                                       "train.optimizer=adam", "--set", "train.rollback_factor=0.9"});
  BOOST_TEST(result.exit_code == 2);
  BOOST_TEST(result.err.find("going back to step") != std::string::npos, result.err);
  BOOST_TEST(result.err.find("bitsmith: training diverged at step") != std::string::npos, result.err);
  BOOST_TEST(result.err.find("lower learning_rate") != std::string::npos, result.err);
}

BOOST_AUTO_TEST_CASE(a_full_disk_while_training_is_told_and_what_was_saved_stays) {
  const Experiment experiment;
  const auto trained = experiment.folder / "a.work" / "trained.h5";
  const auto train = [&](const std::string& epochs) {
    return experiment.command(
        {"train", "--output", experiment.output("a.h5"), "--set", "train.epochs=" + epochs, "--quiet"});
  };
  BOOST_TEST(base::run_process(train("1"), "", kTimeout_s).exit_code == 0);
  const std::string before = base::read_file(trained);
  // A limit on the size of files, in KiB, stands in for the full disk.
  std::vector<std::string> limited = {"bash", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"};
  const auto words = train("2");
  limited.insert(limited.end(), words.begin(), words.end());
  const auto result = base::run_process(limited, "", kTimeout_s);
  BOOST_TEST(result.exit_code == 2);
  BOOST_TEST(result.err.find("h5: cannot write: File too large") != std::string::npos, result.err);
  BOOST_TEST((base::read_file(trained) == before));
  for (const auto& entry : std::filesystem::directory_iterator(trained.parent_path()))
    BOOST_TEST(entry.path().string().find(".tmp.") == std::string::npos, entry.path());
}

BOOST_AUTO_TEST_CASE(an_infeasible_budget_is_proven_before_anything_is_trained) {
  const Experiment experiment;
  const auto result =
      experiment.says({"run", "--output", experiment.output("a.h5"), "--set", "constraint.size=0.1x"});
  BOOST_TEST(result.exit_code == 2);
  BOOST_TEST(result.err.find("size_kib") != std::string::npos, result.err);
  BOOST_TEST(!std::filesystem::exists(experiment.folder / "a.work" / "trained.h5"));
}

BOOST_AUTO_TEST_CASE(the_test_files_are_opened_at_the_very_end_only) {
  const Experiment experiment;
  std::ofstream(experiment.folder / "test.h5", std::ios::trunc) << "not yet";
  experiment.run({"search", "--output", experiment.output("a.h5")});
  const auto end = experiment.says({"finetune", "--output", experiment.output("a.h5")});
  BOOST_TEST(end.exit_code == 2);
  BOOST_TEST(end.err.find("test.h5") != std::string::npos, end.err);
  std::filesystem::remove(experiment.folder / "test.h5");
  tests::write_images(experiment.folder / "test.h5", 120, 2);
  BOOST_TEST(
      experiment.run({"finetune", "--output", experiment.output("a.h5")})["winner"]["method"].is_string());
}

BOOST_AUTO_TEST_SUITE_END()
