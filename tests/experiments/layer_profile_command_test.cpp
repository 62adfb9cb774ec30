#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "experiments/commands/program.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "quant/base/file.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using nlohmann::json;

namespace {

constexpr double kTimeout_s = 120;

base::ProcessResult bitsmith_says(std::vector<std::string> words) {
  words.insert(words.begin(), BITSMITH_EXECUTABLE);
  return base::run_process(words, "", kTimeout_s);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Files {
  Files() { base::replace_file(folder / "l.tsv", "dw conv 8 8 4 3 1 8\nfc fc 16 10 1 1 1 1\n"); }

  std::vector<std::string> words(std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {"profile",   "--layers", list,          "--table", table,
                                    "--samples", "2",        "--sample-ms", "0.01"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  json profile(std::vector<std::string> more = {}) const {
    more.emplace_back("--json");
    const auto result = bitsmith_says(words(std::move(more)));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    return json::parse(result.out);
  }
  /// Whether a table holds must not depend on how busy this machine is: canaries of no machine, or none.
  void set_canaries(const std::vector<hwmodels::Canary>& canaries) const {
    hwmodels::LatencyTable changed = hwmodels::load_latency_table(table);
    changed.canaries = canaries;
    hwmodels::save_latency_table(changed, table);
  }

  tests::TemporaryFolder folder;
  std::string list = (folder / "l.tsv").string(), table = (folder / "t.h5").string();
};

}  // namespace

BOOST_AUTO_TEST_SUITE(layer_profile_command)

BOOST_AUTO_TEST_CASE(a_list_of_layers_is_measured_once) {
  const Files files;
  const json first = files.profile();
  BOOST_TEST(first["layers"] == 2);
  BOOST_TEST(first["batch"] == 1);
  BOOST_TEST(first["kept"] == 0);
  BOOST_TEST(first["measured"].get<int>() > 0);
  BOOST_TEST(first["seconds"].get<double>() > 0);
  BOOST_TEST(first["reasons"].size() == 1u);
  files.set_canaries({});
  const json second = files.profile();
  BOOST_TEST(second["kept"] == first["measured"]);
  BOOST_TEST(second["measured"] == 0);
  BOOST_TEST(second["reasons"].empty());
}

BOOST_AUTO_TEST_CASE(the_summary_is_short_and_progress_is_for_terminals) {
  const Files files;
  const auto first = bitsmith_says(files.words({"--batch", "2"}));
  BOOST_TEST(first.exit_code == 0, first.err);
  BOOST_TEST(contains(first.out, "2 layers, batch 2: 0 entries kept, "), first.out);
  BOOST_TEST(contains(first.out, files.table + "\n"), first.out);
  BOOST_TEST(first.err == "");
  files.set_canaries({});
  base::replace_file(files.list, "dw conv 8 8 4 3 1 8\nfc fc 16 12 1 1 1 1\n");
  const auto more = bitsmith_says(files.words({"--batch", "2"}));
  BOOST_TEST(contains(more.out, "\n  missing: "), more.out);
}

BOOST_AUTO_TEST_CASE(the_table_is_one_for_all_table_commands) {
  const Files files;
  files.profile();
  const auto shown = bitsmith_says({"table", "show", files.table, "--step", "depthwise"});
  BOOST_TEST(shown.exit_code == 0, shown.err);
  BOOST_TEST(contains(shown.out, "depthwise 8x4x4 -> 8x4x4 k3x3 s1 p1 g8 u8 -> u8 relu"), shown.out);
  BOOST_TEST(
      contains(bitsmith_says({"table", "diff", files.table, files.table}).out, "0 in the first alone"));
  const std::string merged = (files.folder / "m.h5").string();
  BOOST_TEST(bitsmith_says({"table", "merge", merged, files.table, files.table}).exit_code == 0);
}

BOOST_AUTO_TEST_CASE(a_table_of_a_disturbed_machine_is_measured_again) {
  const Files files;
  const json first = files.profile();
  files.set_canaries({{1e6, 1e6, 1e6}});
  const json again = files.profile();
  BOOST_TEST(again["kept"] == 0);
  BOOST_TEST(again["measured"] == first["measured"]);
  BOOST_TEST(contains(again["reasons"][0], "took 1000000.000 ns when the table was made"));
}

BOOST_AUTO_TEST_CASE(a_machine_that_is_slower_now_is_warned_of_even_in_silence) {
  const Files files;
  const json first = files.profile();
  files.set_canaries({{1e-6, 1e-6, 1e-6}});
  const auto result = bitsmith_says(files.words({"--json", "--quiet"}));
  BOOST_TEST(result.exit_code == 0);
  BOOST_TEST(result.err.starts_with("bitsmith: warning: this machine is slower than when"), result.err);
  const json kept = json::parse(result.out);
  BOOST_TEST(kept["kept"] == first["measured"]);
  BOOST_TEST(kept["warnings"].size() == 1u);
}

BOOST_AUTO_TEST_CASE(mistakes_are_told_and_nothing_is_made) {
  const Files files;
  const auto check_refused = [&](const std::vector<std::string>& words, const std::string& message) {
    const auto result = bitsmith_says(words);
    BOOST_TEST(result.exit_code == experiments::kUserError);
    BOOST_TEST(result.out == "");
    BOOST_TEST(result.err.starts_with("bitsmith: "), result.err);
    BOOST_TEST(contains(result.err, message), result.err);
    BOOST_TEST(!std::filesystem::exists(files.table));
  };
  const std::string config = BITSMITH_SOURCE_DIR "/configs/smoke.yaml";
  check_refused({"profile"}, "a configuration (CONFIG), or a list of layers (--layers");
  check_refused({"profile", "--table", files.table}, "--table requires --layers");
  check_refused({"profile", config, "--batch", "2"}, "--batch requires --table");
  check_refused({"profile", "--layers", files.list}, "--layers requires --table");
  check_refused({"profile", config, "--layers", files.list, "--table", files.table}, "excludes");
  check_refused(files.words({"--set", "seed=1"}), "excludes");
  check_refused(files.words({"--batch", "0"}), "--batch");
  check_refused({"profile", "--layers", files.list, "--table", files.table, "--sample-ms", "nan"},
                "sample_ms: got nan");
  check_refused({"run", "--layers", files.list}, "--layers");
  base::replace_file(files.list, "fc fc 16 10 1 1 1 1\nconv cnov 8 8 4 1 1 1\n");
  check_refused(files.words(), "l.tsv:2: kind: got 'cnov', allowed are conv, fc, did you mean 'conv'?");
}

BOOST_AUTO_TEST_SUITE_END()
