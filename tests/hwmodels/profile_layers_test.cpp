#include <boost/test/unit_test.hpp>
#include <limits>
#include <set>

#include "hwmodels/candidates.hpp"
#include "hwmodels/latency_table_file.hpp"
#include "hwmodels/layer_list.hpp"
#include "hwmodels/profiler.hpp"
#include "tests/hwmodels/policies.hpp"
#include "tests/hwmodels/tables.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels::CacheState;
using hwmodels::EntryKey;
using hwmodels::LatencyTable;
using hwmodels::ProfileReport;
using tests::message_has;

namespace {

hwmodels::HostOptions quick() {
  hwmodels::HostOptions options;
  options.samples = 2;
  options.sample_ms = 0.001;
  options.canary_tolerance = std::numeric_limits<double>::infinity();
  return options;
}

std::vector<quant::NetworkInfo> small_layers() {
  return hwmodels::parse_layer_list("dw conv 8 8 4 3 1 8\npw conv 8 16 4 1 1 1\nfc fc 16 10 1 1 1 1\n",
                                    "small");
}

/// So many shapes that their kernels are more than one group, whatever the instruction set.
std::vector<quant::NetworkInfo> many_layers() {
  std::string list;
  for (int channels = 8; channels < 24; ++channels)
    list += "c" + std::to_string(channels) + " conv " + std::to_string(channels) + " 8 3 3 1 1\n";
  return hwmodels::parse_layer_list(list, "many");
}

struct Interruption {};

}  // namespace

BOOST_AUTO_TEST_SUITE(profile_layers)

BOOST_AUTO_TEST_CASE(every_kernel_that_serves_a_layer_is_measured_hot_and_cold) {
  const auto layers = small_layers();
  LatencyTable table;
  const ProfileReport report = hwmodels::profile_layers(layers, quick(), table);
  std::set<EntryKey> expected;
  for (const quant::NetworkInfo& network : layers)
    for (const quant::KernelRow& row : quant::kernel_rows())
      for (const quant::Storage from : {quant::Storage::f32, quant::Storage::u8})
        for (const quant::Storage to : {quant::Storage::f32, quant::Storage::u8}) {
          const auto bits = hwmodels::timed_bits(row, network.layers[0], from, to);
          if (!bits) continue;
          quant::Step step;
          step.layer = 0;
          step.from = from;
          step.to = to;
          step.fused_relu = to == quant::Storage::u8;
          for (const CacheState state : {CacheState::hot, CacheState::cold})
            expected.insert(
                hwmodels::entry_key(step.shape_key(network), std::string(row.name), *bits, 1, state));
        }
  BOOST_TEST(report.measured == static_cast<int>(expected.size()));
  const auto keys = hwmodels_tests::keys_of(table);
  BOOST_TEST((std::set<EntryKey>(keys.begin(), keys.end()) == expected));
  BOOST_TEST((table.provenance == hwmodels::current_provenance()));
  BOOST_TEST(table.canaries.size() >= 2u);
}

BOOST_AUTO_TEST_CASE(a_layer_has_the_keys_that_it_has_in_a_network) {
  quant::NetworkBuilder builder("three", {8, 4, 4});
  int x = builder.relu("relu1", builder.conv("stem", builder.input(), 8, quant::Window::square(1)));
  x = builder.relu("relu2", builder.conv("pw", x, 16, quant::Window::square(1)));
  x = builder.relu("relu3", builder.linear("fc", builder.flatten("flatten", x), 10));
  builder.linear("last", x, 4);
  const quant::NetworkInfo network = std::move(builder).build();
  hwmodels::BitChoices choices;
  choices.activation_bits.push_back(1);
  std::set<EntryKey> of_network;
  for (const auto& candidate :
       hwmodels::find_candidates(network, hwmodels::enumerate_steps(network, choices), choices, 2))
    of_network.insert(candidate.key);

  int to_integers = 0;
  const auto layers = hwmodels::parse_layer_list(
      "pw conv 8 16 4 1 1 1\nfc fc 256 10 1 1 1 1\nlast fc 10 4 1 1 1 1\n", "list");
  for (const auto& candidate : hwmodels::find_candidates(layers, 2)) {
    if (candidate.key.bits.weight == 1) continue;                // no policy has one-bit weights
    const bool behind_relu = candidate.network->name != "last";  // as these layers are in the network
    if ((candidate.step.to == quant::Storage::u8) != behind_relu) continue;
    BOOST_TEST(of_network.contains(candidate.key), hwmodels::to_string(candidate.key));
    to_integers += candidate.step.to == quant::Storage::u8;
  }
  BOOST_TEST(to_integers > 0);
}

BOOST_AUTO_TEST_CASE(layers_of_one_shape_are_measured_once) {
  LatencyTable one, two;
  hwmodels::profile_layers(hwmodels::parse_layer_list("a fc 16 10 1 1 1 1\n", "one"), quick(), one);
  hwmodels::profile_layers(hwmodels::parse_layer_list("a fc 16 10 1 1 1 1\nb fc 16 10 1 1 1 1\n", "two"),
                           quick(), two);
  BOOST_TEST((hwmodels_tests::keys_of(one) == hwmodels_tests::keys_of(two)));
}

BOOST_AUTO_TEST_CASE(entries_that_hold_are_kept_and_those_of_others_stay) {
  LatencyTable table;
  const ProfileReport first = hwmodels::profile_layers(small_layers(), quick(), table);
  BOOST_TEST(first.kept == 0);
  const EntryKey foreign{"of another list", "int8", {8, 8}, 1, 1, CacheState::hot};
  table.set(foreign, hwmodels_tests::entry_of({1.0}, table.entries().begin()->second.measured_at));
  const LatencyTable before = table;
  const ProfileReport second = hwmodels::profile_layers(small_layers(), quick(), table);
  BOOST_TEST(second.measured == 0);
  BOOST_TEST(second.kept == first.measured);
  BOOST_TEST(second.reasons.empty());
  BOOST_TEST((table.entries() == before.entries()));

  hwmodels::HostOptions of_four = quick();
  of_four.batch = 4;
  BOOST_TEST(hwmodels::profile_layers(small_layers(), of_four, table).measured == first.measured);
  for (const auto& [key, entry] : before.entries()) BOOST_TEST((*table.find(key) == entry));
}

BOOST_AUTO_TEST_CASE(stale_entries_are_measured_again_and_say_why) {
  LatencyTable table;
  const ProfileReport first = hwmodels::profile_layers(small_layers(), quick(), table);
  hwmodels::HostOptions options = quick();
  options.samples = 3;
  const ProfileReport weak = hwmodels::profile_layers(small_layers(), options, table);
  BOOST_TEST(weak.measured == first.measured);
  BOOST_TEST(weak.reasons.back().starts_with("samples: "));
  table.provenance.cpu = "Abacus 9000";
  const ProfileReport moved = hwmodels::profile_layers(small_layers(), options, table);
  BOOST_TEST(moved.measured == first.measured);
  BOOST_TEST(moved.reasons.front().starts_with("CPU: "));
  table.canaries = {{1e6, 1e6, 1e6}};  // slower than any machine
  options.canary_tolerance = 0.2;
  const ProfileReport disturbed = hwmodels::profile_layers(small_layers(), options, table);
  BOOST_TEST(disturbed.measured == first.measured);
  BOOST_TEST(disturbed.reasons.front().starts_with("canaries: "));
  table.canaries = {{1e-6, 1e-6, 1e-6}};  // faster than any
  const ProfileReport warned = hwmodels::profile_layers(small_layers(), options, table);
  BOOST_TEST(warned.kept == first.measured);
  BOOST_TEST(warned.warnings.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_interrupted_profile_goes_on_where_it_was) {
  const tests::TemporaryFolder folder;
  const auto file = folder / "table.h5";
  const auto layers = many_layers();
  LatencyTable torn;
  const auto interrupt = [&](const LatencyTable& so_far) {
    hwmodels::save_latency_table(so_far, file);
    if (!so_far.entries().empty()) throw Interruption();
  };
  BOOST_CHECK_THROW(hwmodels::profile_layers(layers, quick(), torn, interrupt), Interruption);
  const LatencyTable saved = hwmodels::load_latency_table(file);
  ProfileReport report;
  double last = 0, total = 0;
  const auto progress = [&](std::string_view, double done, double of, std::string_view) {
    BOOST_TEST(done >= last);
    last = done;
    total = of;
  };
  const LatencyTable whole = hwmodels::profile_layers_to_file(layers, quick(), file, progress, &report);
  BOOST_TEST(report.kept == static_cast<int>(saved.entries().size()));
  BOOST_TEST(report.measured > 0);
  BOOST_TEST(last == total);
  BOOST_TEST(report.kept + report.measured == static_cast<int>(whole.entries().size()));
  for (const auto& [key, entry] : saved.entries()) BOOST_TEST((*whole.find(key) == entry));
  BOOST_TEST((hwmodels::load_latency_table(file).entries() == whole.entries()));
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_is_told_before_anything_is_measured) {
  bool any_progress = false;
  BOOST_CHECK_THROW(hwmodels::profile_layers_to_file(small_layers(), quick(), "/proc/no/table.h5",
                                                     [&](auto, auto, auto, auto) { any_progress = true; }),
                    base::UserError);
  BOOST_TEST(!any_progress);
}

BOOST_AUTO_TEST_CASE(batches_that_no_memory_holds_are_refused) {
  const auto layers = hwmodels::parse_layer_list("wide conv 64 64 224 1 1 1\n", "list");
  hwmodels::HostOptions options = quick();
  options.batch = 1024;
  LatencyTable table;
  BOOST_CHECK_EXCEPTION(hwmodels::profile_layers(layers, options, table), base::UserError,
                        message_has({"layer 'wide'", "3211264 activations", "batch 1024"}));
}

BOOST_AUTO_TEST_SUITE_END()
