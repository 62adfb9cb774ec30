#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "experiments/commands/program.hpp"
#include "experiments/results_hdf5.hpp"
#include "quant/base/file.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/experiments/example_results.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using namespace bitsmith::experiments;

namespace {

const std::string configs = std::string(BITSMITH_SOURCE_DIR) + "/configs/";

base::ProcessResult bitsmith_says(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), BITSMITH_EXECUTABLE);
  constexpr double timeout_s = 60;
  return base::run_process(arguments, "", timeout_s);
}

/// A user's mistake: code 2, nothing on standard output, every line of standard error marked.
void check_refused(const std::vector<std::string>& arguments, const std::string& message) {
  const base::ProcessResult result = bitsmith_says(arguments);
  BOOST_TEST(result.exit_code == kUserError);
  BOOST_TEST(result.out == "");
  BOOST_TEST(result.err.starts_with("bitsmith: "), result.err);
  BOOST_TEST(result.err.find(message) != std::string::npos, result.err);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(command_line)

BOOST_AUTO_TEST_CASE(help_and_version_succeed_and_document_the_exit_codes) {
  const base::ProcessResult help = bitsmith_says({"--help"});
  BOOST_TEST(help.exit_code == 0);
  for (const char* part : {"run", "train", "profile", "search", "finetune", "check", "describe", "show",
                           "infer", "verify", "table", "Exit codes"})
    BOOST_TEST(help.out.find(part) != std::string::npos, part);
  BOOST_TEST(bitsmith_says({"run", "--help"}).out.find("--resume") != std::string::npos);
  BOOST_TEST(bitsmith_says({"--version"}).out == "0.1.0\n");
}

BOOST_AUTO_TEST_CASE(mistakes_on_the_command_line_are_user_errors) {
  check_refused({}, "A subcommand is required");
  check_refused({"chek", "x.yaml"}, "there is no command 'chek', did you mean 'check'?");
  check_refused({"check", "--resovled", configs + "smoke.yaml"},
                "check: '--resovled' was not expected, did you mean '--resolved'?");
  check_refused({"check"}, "config is required");
  check_refused({"run", configs + "smoke.yaml", "--resume", "--fresh"}, "excludes");
  check_refused({"check", "/nonexistent/c.yaml"}, "/nonexistent/c.yaml");
  check_refused({"check", "/"}, "/: ");
  check_refused({"describe", "search.epsiodes"}, "did you mean 'search.episodes'?");
}

BOOST_AUTO_TEST_CASE(check_reports_all_problems_and_runs_nothing) {
  const base::ProcessResult good = bitsmith_says({"check", configs + "smoke.yaml"});
  BOOST_TEST(good.exit_code == 0, good.err);
  BOOST_TEST(good.out.starts_with(configs + "smoke.yaml: valid\nExpected time of a run here: "), good.out);
  const base::ProcessResult bad =
      bitsmith_says({"check", configs + "smoke.yaml", "--set", "seed=x", "--set", "train.bach=3"});
  BOOST_TEST(bad.exit_code == kUserError);
  BOOST_TEST(bad.err ==
             "bitsmith: --set seed=x: seed: got 'x', allowed: an integer, 0 to 2147483647\n"
             "bitsmith: --set train.bach=3: train.bach: unknown key, did you mean 'batch'?\n");
  check_refused({"run", configs + "smoke.yaml", "--set", "seed=x"}, "--set seed=x: seed: got 'x'");
  const auto json = nlohmann::json::parse(
      bitsmith_says({"check", configs + "smoke.yaml", "--json", "--set", "seed=5"}).out);
  BOOST_TEST(json["valid"] == true);
  BOOST_TEST(json["expected_seconds"]["total"].get<double>() > 0);
  BOOST_TEST(json["config"].get<std::string>().starts_with("seed: 5\n"));
}

BOOST_AUTO_TEST_CASE(a_resolved_configuration_is_valid_itself) {
  const tests::TemporaryFolder folder;
  const base::ProcessResult resolved =
      bitsmith_says({"check", configs + "quickstart.yaml", "--resolved", "--output", "elsewhere.h5"});
  BOOST_TEST(resolved.out.find("output: elsewhere.h5\n") != std::string::npos);
  base::replace_file(folder / "resolved.yaml", resolved.out);
  const base::ProcessResult again =
      bitsmith_says({"check", (folder / "resolved.yaml").string(), "--resolved"});
  BOOST_TEST(again.out == resolved.out, again.err);
}

BOOST_AUTO_TEST_CASE(describe_prints_text_or_json) {
  BOOST_TEST(bitsmith_says({"describe"}).out.find("search.ddpg.tau") != std::string::npos);
  BOOST_TEST(nlohmann::json::parse(bitsmith_says({"describe", "train", "--json"}).out)["keys"].size() > 10u);
}

BOOST_AUTO_TEST_CASE(show_prints_tables_json_or_the_configuration) {
  const tests::TemporaryFolder folder;
  const std::string file = (folder / "r.h5").string();
  write_results(file, example_results());
  const base::ProcessResult tables = bitsmith_says({"show", file});
  BOOST_TEST(tables.exit_code == 0, tables.err);
  BOOST_TEST(tables.out.find("ddpg *") != std::string::npos);
  const auto json = nlohmann::json::parse(bitsmith_says({"show", file, "--json"}).out);
  BOOST_TEST(json["methods"][1]["size_kib"] == 0.49);
  BOOST_TEST(bitsmith_says({"show", file, "--config"}).out == example_results().config);
  check_refused({"show", configs + "smoke.yaml"}, "smoke.yaml");
  check_refused({"show", (folder / "none.h5").string()}, "none.h5");
}

BOOST_AUTO_TEST_CASE(a_full_output_is_an_error) {
  const base::ProcessResult result = base::run_process(
      {"/bin/sh", "-c", std::string(BITSMITH_EXECUTABLE) + " describe > /dev/full"}, "", 60);
  BOOST_TEST(result.exit_code == kUserError);
  BOOST_TEST(result.err == "bitsmith: cannot write to standard output\n");
}

BOOST_AUTO_TEST_SUITE_END()
