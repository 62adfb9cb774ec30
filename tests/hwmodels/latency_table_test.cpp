#include "hwmodels/latency_table.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

#include "tests/hwmodels/tables.hpp"

using namespace bitsmith;
using hwmodels_tests::entry_of;
using hwmodels_tests::frozen_table;
using hwmodels_tests::keys_of;

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kMeasured = 1'700'000'000;

/// The one reason, or all of them in one line.
std::string reasons(const hwmodels::LatencyTable& table, const hwmodels::Provenance& here,
                    const std::vector<hwmodels::EntryKey>& needed, std::int64_t now) {
  std::string all;
  for (const std::string& reason : hwmodels::staleness(table, here, needed, 30, now))
    all += (all.empty() ? "" : "\n") + reason;
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(latency_table)

BOOST_AUTO_TEST_CASE(a_table_of_this_machine_that_holds_all_that_is_needed_is_not_stale) {
  const auto table = frozen_table();
  BOOST_TEST(reasons(table, table.provenance, keys_of(table), kMeasured + 29 * kDay) == "");
}

BOOST_AUTO_TEST_CASE(each_difference_of_the_machine_is_named_with_both_values) {
  const auto table = frozen_table();
  hwmodels::Provenance here = table.provenance;
  here.cpu = "Abacus 9001";
  BOOST_TEST(reasons(table, here, {}, kMeasured) ==
             "CPU: the table's is 'Abacus 9000', this one's is 'Abacus 9001'");
  here = table.provenance;
  here.isa = "avx512";
  BOOST_TEST(reasons(table, here, {}, kMeasured) ==
             "instruction set: the table's is 'avx2', this one's is 'avx512'");
  here = table.provenance;
  here.kernels = "int8 v2";
  here.onednn = "3.0";
  here.compiler = "clang";
  here.program = "0.2";
  here.build = "Debug";
  here.l1d_bytes = here.l2_bytes = here.l3_bytes = 1;
  BOOST_TEST(hwmodels::differences(table.provenance, here).size() == 8u);
}

BOOST_AUTO_TEST_CASE(old_entries_and_entries_from_the_future_are_stale) {
  const auto table = frozen_table();
  const auto keys = keys_of(table);
  BOOST_TEST(reasons(table, table.provenance, keys, kMeasured + 31 * kDay) ==
             "age: 4 of 4 entries are older than 30 days (the oldest 31.0)");
  BOOST_TEST(reasons(table, table.provenance, keys, kMeasured - 2 * kDay) ==
             "age: 4 of 4 entries are dated in the future");
  BOOST_TEST(reasons(table, table.provenance, {}, kMeasured + 31 * kDay) == "");
}

BOOST_AUTO_TEST_CASE(missing_entries_are_counted_and_the_first_of_them_shown) {
  const auto table = frozen_table();
  auto needed = keys_of(table);
  needed.push_back({"conv b", "int4", {4, 8}, 1, 1, hwmodels::CacheState::hot});
  const std::string reason = reasons(table, table.provenance, needed, kMeasured);
  BOOST_TEST(
      reason ==
      "missing: 1 of 5 entries were never measured: conv b, kernel int4, w4a8, batch 1, 1 thread, hot");
}

BOOST_AUTO_TEST_CASE(the_fingerprint_is_of_keys_and_prices_alone) {
  const auto table = frozen_table();
  auto other = frozen_table();
  other.provenance.cpu = "another";
  other.canaries.clear();
  const hwmodels::EntryKey key{"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::cold};
  other.set(key, entry_of({4.0, 4.0, 4.0}, kMeasured + 5));
  BOOST_TEST(other.fingerprint() == table.fingerprint());
  other.set(key, entry_of({4.5}));
  BOOST_TEST(other.fingerprint() != table.fingerprint());
  auto larger = frozen_table();
  larger.set({"conv a", "int8", {8, 8}, 2, 1, hwmodels::CacheState::cold}, entry_of({4.0}));
  BOOST_TEST(larger.fingerprint() != table.fingerprint());
}

BOOST_AUTO_TEST_CASE(keys_that_differ_in_anything_are_different_entries) {
  const auto table = frozen_table();
  BOOST_TEST(table.find({"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot})->price_us() == 2.0);
  BOOST_TEST(table.find({"conv a", "int8", {8, 8}, 1, 1, hwmodels::CacheState::cold})->price_us() == 4.0);
  for (const hwmodels::EntryKey& key :
       std::initializer_list<hwmodels::EntryKey>{{"conv b", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot},
                                                 {"conv a", "int4", {8, 8}, 1, 1, hwmodels::CacheState::hot},
                                                 {"conv a", "int8", {7, 8}, 1, 1, hwmodels::CacheState::hot},
                                                 {"conv a", "int8", {8, 7}, 1, 1, hwmodels::CacheState::hot},
                                                 {"conv a", "int8", {8, 8}, 2, 1, hwmodels::CacheState::hot},
                                                 {"conv a", "int8", {8, 8}, 1, 2, hwmodels::CacheState::hot}})
    BOOST_TEST(table.find(key) == nullptr);
}

BOOST_AUTO_TEST_CASE(the_current_provenance_knows_this_machine_and_program) {
  const hwmodels::Provenance here = hwmodels::current_provenance();
  BOOST_TEST((here == hwmodels::current_provenance()));
  for (const std::string& text : {here.isa, here.onednn, here.compiler, here.program, here.kernels})
    BOOST_TEST(!text.empty());
  std::stringstream cmake;
  cmake << std::ifstream(BITSMITH_SOURCE_DIR "/CMakeLists.txt").rdbuf();
  BOOST_TEST(cmake.str().find("project(bitsmith VERSION " + here.program + " ") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
