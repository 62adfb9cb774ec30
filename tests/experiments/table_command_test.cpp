#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "hwmodels/latency_table_file.hpp"
#include "quant/base/file.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/hwmodels/tables.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels_tests::entry_of;
using hwmodels_tests::frozen_table;

namespace {

constexpr double kTimeout_s = 60;

base::ProcessResult table_says(std::vector<std::string> words) {
  words.insert(words.begin(), {BITSMITH_EXECUTABLE, "table"});
  return base::run_process(words, "", kTimeout_s);
}

struct Files {
  Files() {
    hwmodels::LatencyTable other = frozen_table();
    other.set({"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot}, entry_of({4.0}, 1'800'000'000));
    other.set({"conv b", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot}, entry_of({5.0}));
    hwmodels::save_latency_table(frozen_table(), first);
    hwmodels::save_latency_table(other, second);
    other.provenance.cpu = "Slide rule";
    hwmodels::save_latency_table(other, foreign);
  }
  tests::TemporaryFolder folder;
  std::string first = (folder / "1.h5").string(), second = (folder / "2.h5").string();
  std::string foreign = (folder / "3.h5").string(), merged = (folder / "m.h5").string();
};

}  // namespace

BOOST_AUTO_TEST_SUITE(table_command)

BOOST_AUTO_TEST_CASE(show_prints_provenance_and_every_entry) {
  const Files files;
  const auto text = table_says({"show", files.first});
  BOOST_TEST(text.exit_code == 0, text.err);
  for (const char* part : {"Abacus 9000", "conv a", "add a", "cold", "4 of 4 entries"})
    BOOST_TEST(text.out.find(part) != std::string::npos, part);
  BOOST_TEST(table_says({"show", files.first, "--step", "add"}).out.find("1 of 4 entries") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_effective_price_is_that_of_the_best_kernel_of_as_many_bits) {
  const Files files;
  hwmodels::LatencyTable table;
  table.set({"fc", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot}, entry_of({3.0}));
  table.set({"fc", "int4", {4, 8}, 1, 1, hwmodels::CacheState::hot}, entry_of({5.0}));
  table.set({"fc", "fp32", {32, 32}, 1, 1, hwmodels::CacheState::hot}, entry_of({1.0}));
  hwmodels::save_latency_table(table, files.folder / "t.h5");
  const auto shown = table_says({"show", (files.folder / "t.h5").string(), "--json"});
  BOOST_REQUIRE_MESSAGE(shown.exit_code == 0, shown.err);
  const auto json = nlohmann::json::parse(shown.out);
  BOOST_REQUIRE(json["entries"].size() == 3u);
  for (const auto& entry : json["entries"])
    BOOST_TEST(entry["effective_us"] == (entry["kernel"] == "fp32" ? 1.0 : 3.0));
}

BOOST_AUTO_TEST_CASE(merge_keeps_the_newest_and_refuses_other_machines) {
  const Files files;
  const auto merged = table_says({"merge", files.merged, files.first, files.second});
  BOOST_TEST(merged.exit_code == 0, merged.err);
  const auto table = hwmodels::load_latency_table(files.merged);
  BOOST_TEST(table.entries().size() == 5u);
  BOOST_TEST(table.find({"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot})->price_us() == 4.0);
  BOOST_TEST(table_says({"merge", files.merged, files.first}).exit_code == 2);  // it is there
  const auto refused = table_says({"merge", (files.folder / "n.h5").string(), files.first, files.foreign});
  BOOST_TEST(refused.exit_code == 2);
  BOOST_TEST(refused.err.find("Slide rule") != std::string::npos, refused.err);
}

BOOST_AUTO_TEST_CASE(diff_lists_what_changed_and_what_is_missing) {
  const Files files;
  const auto changed = table_says({"diff", files.first, files.second});
  BOOST_TEST(changed.exit_code == 0, changed.err);
  for (const char* part : {"+100.0", "4 entries in both, 1 of them", "0 in the first alone, 1 in the second"})
    BOOST_TEST(changed.out.find(part) != std::string::npos, changed.out);
  BOOST_TEST(table_says({"diff", files.first, files.foreign}).out.find("Slide rule") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_no_table_is_refused) {
  const Files files;
  base::replace_file(files.folder / "notes.h5", "my notes");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"show", (files.folder / "notes.h5").string()},
        {"show", (files.folder / "none.h5").string()},
        {"diff", files.first, (files.folder / "none.h5").string()},
        {"shwo", files.first},
        {}}) {
    const auto refused = table_says(words);
    BOOST_TEST(refused.exit_code == 2, refused.err);
    BOOST_TEST(refused.out == "");
  }
}

BOOST_AUTO_TEST_SUITE_END()
