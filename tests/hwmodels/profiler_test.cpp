#include "hwmodels/profiler.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "hwmodels/candidates.hpp"
#include "hwmodels/host_model.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "quant/base/file.hpp"
#include "quant/integer_joins.hpp"
#include "tests/hwmodels/networks.hpp"
#include "tests/hwmodels/policies.hpp"
#include "tests/hwmodels/tables.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels::LatencyTable;
using hwmodels::ProfileReport;
using hwmodels_tests::tiny_network;
using tests::message_has;
using tests::TemporaryFolder;

namespace {

constexpr std::int64_t kDay = 86400;

/// As few and as short samples as there can be: what is tested is which, not how long. However busy the
/// machine is, a table stays true.
hwmodels::HostOptions quick() {
  hwmodels::HostOptions options;
  options.samples = 2;
  options.sample_ms = 0.001;
  options.canary_tolerance = std::numeric_limits<double>::infinity();
  return options;
}

/// The first entry that was timed within the network: a layer's, or another step's.
hwmodels::EntryKey first_in_place(const LatencyTable& table, bool layer) {
  for (const auto& [key, entry] : table.entries())
    if (key.state == hwmodels::CacheState::in_l2 && (quant::find_kernel_row(key.kernel) != nullptr) == layer)
      return key;
  BOOST_FAIL("nothing was timed in place");
  return {};
}

LatencyTable without(const LatencyTable& table, const hwmodels::EntryKey& left_out) {
  LatencyTable rest;
  rest.provenance = table.provenance;
  for (const auto& [key, entry] : table.entries())
    if (key != left_out) rest.set(key, entry);
  return rest;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(profiler)

BOOST_AUTO_TEST_CASE(entries_with_fewer_samples_than_asked_for_are_measured_again) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  hwmodels::profile(network, {}, quick(), table);
  auto more = quick();
  more.samples = 3;
  const ProfileReport again = hwmodels::profile(network, {}, more, table);
  BOOST_TEST(again.kept == 0);
  BOOST_TEST(again.reasons.back().starts_with("samples: "));
  BOOST_TEST(hwmodels::profile(network, {}, quick(), table).measured == 0);
}

BOOST_AUTO_TEST_CASE(a_profile_prices_every_policy_resident_and_cold) {
  const quant::NetworkInfo network = tiny_network();
  const hwmodels::BitChoices choices;
  LatencyTable table;
  double last = 0, total = 0;
  const ProfileReport report = hwmodels::profile(network, choices, quick(), table, {},
                                                 [&](std::string_view unit, double done, double of, auto) {
                                                   BOOST_TEST(unit == "kernel");
                                                   BOOST_TEST(done <= of);
                                                   last = done;
                                                   total = of;
                                                 });
  BOOST_TEST(last == total);
  BOOST_TEST(report.kept == 0);
  BOOST_TEST(report.measured == static_cast<int>(table.entries().size()));
  BOOST_TEST((table.provenance == hwmodels::current_provenance()));
  BOOST_TEST(table.canaries.size() >= 2u);
  for (const auto& [key, entry] : table.entries()) {
    BOOST_TEST(entry.samples_us.size() == 2u);
    BOOST_TEST(entry.min_us >= 0);
    BOOST_TEST(entry.median_us >= entry.min_us);
    BOOST_TEST(entry.runs_per_sample >= 1);
  }
  base::Rng rng(1);
  for (bool cold : {false, true}) {
    hwmodels::HostOptions options = quick();
    options.cold_weights = cold;
    const hwmodels::HostModel model(network, table, options, choices);
    for (int i = 0; i < 50; ++i)
      BOOST_TEST(model.price(network, hwmodels_tests::random_policy(network, choices, rng)).totals[0] > 0);
  }
}

BOOST_AUTO_TEST_CASE(networks_with_integer_joins_are_priced_too) {
  for (const quant::NetworkInfo& plain :
       {tiny_network(), hwmodels_tests::branching_network(), hwmodels_tests::attention_network()}) {
    const quant::NetworkInfo network = quant::with_integer_joins(plain);
    const hwmodels::BitChoices choices;
    LatencyTable table;
    hwmodels::profile(network, choices, quick(), table);
    const hwmodels::HostModel model(network, table, quick(), choices);
    base::Rng rng(1);
    for (int i = 0; i < 50; ++i)
      BOOST_TEST(model.price(network, hwmodels_tests::random_policy(network, choices, rng)).totals[0] > 0);
    BOOST_TEST(model.price(network, hwmodels_tests::all_layers(network, {})).totals[0] > 0);
  }
}

BOOST_AUTO_TEST_CASE(formats_are_measured_as_the_kernels_that_serve_them) {
  const auto format = [](const char* name) { return *quant::find_format(name); };
  const hwmodels::BitChoices choices{{format("binary"), format("ternary"), format("mxfp4"), 8}, {2, 8}};
  for (const quant::NetworkInfo& network : {tiny_network(), hwmodels_tests::branching_network()}) {
    LatencyTable table;
    hwmodels::profile(network, choices, quick(), table);
    const hwmodels::HostModel model(network, table, quick(), choices);
    base::Rng rng(1);
    for (int i = 0; i < 100; ++i)
      BOOST_TEST(model.price(network, hwmodels_tests::random_policy(network, choices, rng)).totals[0] > 0);
  }
}

BOOST_AUTO_TEST_CASE(only_what_is_missing_is_measured) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  const ProfileReport first = hwmodels::profile(network, {}, quick(), table);
  BOOST_REQUIRE(first.reasons.size() == 1u);
  BOOST_TEST(first.reasons[0].starts_with("missing"));

  LatencyTable again = table;
  const ProfileReport second = hwmodels::profile(network, {}, quick(), again);
  BOOST_TEST(second.measured == 0);
  BOOST_TEST(second.kept == first.measured);
  BOOST_TEST(second.reasons.empty());
  BOOST_TEST((again.entries() == table.entries()));

  const hwmodels::EntryKey gone = first_in_place(table, false);
  LatencyTable partial = without(table, gone);
  const ProfileReport third = hwmodels::profile(network, {}, quick(), partial);
  BOOST_TEST(third.measured == 1);
  BOOST_TEST(third.kept == first.measured - 1);
  for (const auto& [key, entry] : table.entries()) {
    if (key != gone) BOOST_TEST((*partial.find(key) == entry));
  }

  hwmodels::EntryKey alone = first_in_place(table, true);
  alone.state = hwmodels::CacheState::hot;
  partial = without(table, alone);
  // Hot and cold together; and other kernels in place, where this one now seems slow enough.
  BOOST_TEST(hwmodels::profile(network, {}, quick(), partial).measured >= 2);
}

BOOST_AUTO_TEST_CASE(more_choices_need_only_their_own_kernels) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  const ProfileReport narrow = hwmodels::profile(network, {{8}, {8}}, quick(), table);
  const ProfileReport wide = hwmodels::profile(network, {{4, 8}, {4, 8}}, quick(), table);
  BOOST_TEST(wide.measured > 0);
  BOOST_TEST(wide.kept == narrow.measured);
}

BOOST_AUTO_TEST_CASE(a_table_of_another_machine_is_measured_again_and_says_why) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  hwmodels::profile(network, {}, quick(), table);
  table.provenance.cpu = "Abacus 9000";
  table.set({"of another network", "", {32, 32}, 1, 1, hwmodels::CacheState::hot},
            hwmodels_tests::entry_of({1.0}));
  const ProfileReport report = hwmodels::profile(network, {}, quick(), table);
  BOOST_TEST(report.measured == static_cast<int>(table.entries().size()));
  BOOST_REQUIRE(report.reasons.size() == 1u);
  BOOST_TEST(report.reasons[0].starts_with("CPU: the table's is 'Abacus 9000'"));
  for (const auto& [key, entry] : table.entries()) BOOST_TEST(key.step != "of another network");
  BOOST_TEST((table.provenance == hwmodels::current_provenance()));
}

// Canaries that no machine has, a million times slower or faster than any: what is found does not depend on
// how fast this one is just now.
BOOST_AUTO_TEST_CASE(a_table_made_on_a_slower_machine_is_measured_again_and_says_why) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  hwmodels::profile(network, {}, quick(), table);
  table.canaries = {{1e6, 1e6, 1e6}};
  hwmodels::HostOptions options = quick();
  options.canary_tolerance = 0.2;
  const ProfileReport report = hwmodels::profile(network, {}, options, table);
  BOOST_TEST(report.kept == 0);
  BOOST_TEST(report.measured == static_cast<int>(table.entries().size()));
  BOOST_TEST(report.reasons.front().starts_with("canaries: "));
  BOOST_TEST(report.reasons.front().find("1000000.000 ns") != std::string::npos, report.reasons.front());
  BOOST_TEST(report.warnings.empty());
  for (const hwmodels::Canary& canary : table.canaries) BOOST_TEST(canary.chain_ns < 1e6);
}

BOOST_AUTO_TEST_CASE(a_table_made_on_a_faster_machine_is_kept_with_a_warning) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  const ProfileReport first = hwmodels::profile(network, {}, quick(), table);
  table.canaries = {{1e-6, 1e-6, 1e-6}};
  const LatencyTable before = table;
  hwmodels::HostOptions options = quick();
  options.canary_tolerance = 0.2;
  const ProfileReport report = hwmodels::profile(network, {}, options, table);
  BOOST_TEST(report.measured == 0);
  BOOST_TEST(report.kept == first.measured);
  BOOST_TEST(report.reasons.empty());
  BOOST_REQUIRE(report.warnings.size() == 1u);
  BOOST_TEST(report.warnings[0].find("slower than when its latency table was made") != std::string::npos);
  BOOST_TEST((table.entries() == before.entries()));
}

BOOST_AUTO_TEST_CASE(old_entries_are_measured_again) {
  const quant::NetworkInfo network = tiny_network();
  LatencyTable table;
  const ProfileReport first = hwmodels::profile(network, {}, quick(), table);
  const hwmodels::EntryKey old_key = first_in_place(table, true);
  hwmodels::Entry old_entry = *table.find(old_key);
  old_entry.measured_at -= 31 * kDay;
  table.set(old_key, old_entry);
  const ProfileReport report = hwmodels::profile(network, {}, quick(), table);
  BOOST_TEST(report.measured == 1);
  BOOST_TEST(report.kept == first.measured - 1);
  BOOST_TEST(table.find(old_key)->measured_at > old_entry.measured_at);
}

BOOST_AUTO_TEST_CASE(a_file_keeps_the_entries_of_all_networks) {
  const TemporaryFolder folder;
  const auto file = folder / "deep" / "table.h5";
  ProfileReport report;
  const LatencyTable first =
      hwmodels::profile_to_file(tiny_network(), {}, quick(), file, base::no_progress, &report);
  BOOST_TEST(report.measured == static_cast<int>(first.entries().size()));
  hwmodels::profile_to_file(hwmodels_tests::branching_network(), {}, quick(), file, base::no_progress,
                            &report);
  BOOST_TEST(report.measured > 0);
  const LatencyTable both = hwmodels::load_latency_table(file);
  for (const auto& [key, entry] : first.entries()) BOOST_TEST((*both.find(key) == entry));
  const std::string bytes = base::read_file(file);
  const LatencyTable again =
      hwmodels::profile_to_file(tiny_network(), {}, quick(), file, base::no_progress, &report);
  BOOST_TEST(report.measured == 0);
  BOOST_TEST((again.entries() == both.entries()));
  BOOST_TEST((base::read_file(file) == bytes));
}

BOOST_AUTO_TEST_CASE(a_file_of_another_machine_is_refused_and_left_alone) {
  const tests::TemporaryFolder folder;
  const auto file = folder / "table.h5";
  hwmodels::save_latency_table(hwmodels_tests::frozen_table(), file);
  BOOST_CHECK_EXCEPTION(hwmodels::profile_to_file(tiny_network(), {}, quick(), file), base::UserError,
                        message_has({"table.h5", "another machine", "Abacus 9000"}));
  BOOST_TEST(hwmodels::load_latency_table(file).provenance.cpu == "Abacus 9000");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_table_is_left_alone) {
  const TemporaryFolder folder;
  base::replace_file(folder / "table.h5", "my notes");
  BOOST_CHECK_THROW(hwmodels::profile_to_file(tiny_network(), {}, quick(), folder / "table.h5"),
                    base::UserError);
  BOOST_TEST(base::read_file(folder / "table.h5") == "my notes");
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_refused) {
  const quant::NetworkInfo network = tiny_network();
  const auto refused = [&](auto change, std::vector<std::string> parts) {
    hwmodels::HostOptions options = quick();
    change(options);
    LatencyTable table;
    BOOST_CHECK_EXCEPTION(hwmodels::profile(network, {}, options, table), base::UserError,
                          message_has(std::move(parts)));
  };
  refused([](auto& options) { options.batch = 0; }, {"batch", "got 0"});
  refused([](auto& options) { options.samples = 0; }, {"samples", "got 0"});
  refused([](auto& options) { options.sample_ms = 0; }, {"sample_ms", "got 0"});
  refused([](auto& options) { options.sample_ms = std::nan(""); }, {"sample_ms", "nan"});
  refused([](auto& options) { options.max_age_days = -1; }, {"max_age_days", "got -1"});
  refused([](auto& options) { options.canary_tolerance = 0; }, {"canary_tolerance", "got 0"});
}

BOOST_AUTO_TEST_SUITE_END()
