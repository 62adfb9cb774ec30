#include "hwmodels/host_model.hpp"

#include <boost/test/unit_test.hpp>
#include <optional>

#include "hwmodels/candidates.hpp"
#include "quant/base/parallel.hpp"
#include "quant/serving.hpp"
#include "tests/hwmodels/networks.hpp"
#include "tests/hwmodels/policies.hpp"
#include "tests/hwmodels/tables.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels::HostModel;
using hwmodels_tests::all_layers;
using hwmodels_tests::entry_of;
using hwmodels_tests::made_up_table;
using hwmodels_tests::random_policy;
using hwmodels_tests::tiny_network;
using quant::LayerBits;
using quant::Storage;
using tests::message_has;

namespace {

const hwmodels::BitChoices kAll;

/// The price of one step, found without any of the model's own tables.
std::pair<double, std::string> price_by_hand(const quant::NetworkInfo& network,
                                             const hwmodels::LatencyTable& table, const quant::Step& step,
                                             bool cold) {
  std::optional<std::pair<double, std::string>> best;
  for (const auto& [key, entry] : table.entries()) {
    if (key.step != step.shape_key(network)) continue;
    if (step.kind == quant::StepKind::layer) {
      const quant::LayerInfo& layer = network.layers[static_cast<std::size_t>(step.layer)];
      const quant::KernelRow* row = quant::find_kernel_row(key.kernel);
      if ((key.state == hwmodels::CacheState::cold) != cold ||
          !row->serves(layer, step.bits, step.from, step.to))
        continue;
    }
    if (!best || entry.median_us < best->first) best = {entry.median_us, key.kernel};
  }
  BOOST_REQUIRE(best.has_value());
  return *best;
}

quant::NetworkInfo one_linear_layer() {
  quant::NetworkBuilder net("one", {64, 1, 1});
  net.linear("fc", net.relu("relu", 0), 32, false);
  return std::move(net).build();
}

/// The step of the first layer, writing floats.
quant::Step to_floats(LayerBits bits, Storage from) {
  quant::Step step;
  step.layer = 0;
  step.bits = bits;
  step.from = from;
  return step;
}

/// All entries at 5 us, those of layers packed as `weight_bits` at `us`.
hwmodels::LatencyTable table_with(const quant::NetworkInfo& network, int weight_bits, double us) {
  hwmodels::LatencyTable table;
  for (const hwmodels::EntryKey& key : hwmodels::needed_entries(network, kAll, {}))
    table.set(
        key,
        entry_of({quant::find_kernel_row(key.kernel) != nullptr && key.bits.weight == weight_bits ? us : 5}));
  return table;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(host_model)

BOOST_AUTO_TEST_CASE(a_policy_costs_the_sum_of_its_plans_steps_at_their_fastest_kernels) {
  constexpr double kSumError = 1e-12;  // microseconds are added, then divided
  for (const quant::NetworkInfo& network :
       {tiny_network(), hwmodels_tests::branching_network(), hwmodels_tests::attention_network()}) {
    const auto table = made_up_table(network, kAll);
    for (bool cold : {false, true}) {
      hwmodels::HostOptions options;
      options.cold_weights = cold;
      const HostModel model(network, table, options, kAll);
      base::Rng rng(3);
      for (int i = 0; i < 200; ++i) {
        const quant::Policy policy = random_policy(network, kAll, rng);
        const hwmodels::Cost cost = model.price(network, policy);
        const quant::Plan plan = quant::lower(network, policy, model);
        BOOST_REQUIRE(cost.steps.size() == plan.steps.size());
        BOOST_REQUIRE(cost.layers.size() == network.layers.size());
        double total = 0;
        for (std::size_t s = 0; s < plan.steps.size(); ++s) {
          const auto [us, kernel] = price_by_hand(network, table, plan.steps[s], cold);
          BOOST_TEST(cost.steps[s].values[0] == us / 1000);
          BOOST_TEST(cost.steps[s].kernel == kernel);
          if (plan.steps[s].kind == quant::StepKind::layer) {
            BOOST_TEST(plan.steps[s].kernel == kernel);
            BOOST_TEST(cost.layers[static_cast<std::size_t>(plan.steps[s].layer)].values[0] == us / 1000);
          }
          total += us;
        }
        BOOST_TEST(cost.totals[0] == total / 1000, boost::test_tools::tolerance(kSumError));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_faster_four_bit_kernel_serves_up_to_four_bits) {
  const quant::NetworkInfo network = one_linear_layer();
  const HostModel fast4(network, table_with(network, 4, 2.0), {}, kAll);
  const HostModel slow4(network, table_with(network, 4, 7.0), {}, kAll);
  for (int weight = 2; weight <= 8; ++weight)
    for (int activation = 2; activation <= 8; ++activation) {
      const LayerBits bits{weight, activation};
      const auto row4 = quant::find_kernel_row(fast4.choose(network.layers[0], to_floats(bits, Storage::u8)));
      BOOST_TEST(row4->weight_bits.high == (weight <= 4 ? 4 : 8));
      const auto row8 = quant::find_kernel_row(slow4.choose(network.layers[0], to_floats(bits, Storage::u8)));
      BOOST_TEST(row8->weight_bits.high != 4);
      // The plan: ReLU, quantization at 5 us each, and the layer.
      BOOST_TEST(fast4.price(network, {{{weight, activation}}}).totals[0] ==
                 (weight <= 4 ? 12.0 : 15.0) / 1000);
      BOOST_TEST(slow4.price(network, {{{weight, activation}}}).totals[0] == 15.0 / 1000);
    }
}

BOOST_AUTO_TEST_CASE(of_two_equal_prices_the_first_row_of_the_kernel_table_is_chosen) {
  const quant::NetworkInfo network = one_linear_layer();
  const HostModel model(network, table_with(network, 0, 0), {}, kAll);
  for (quant::LayerFormats formats : hwmodels::layer_choices(network.layers[0], kAll)) {
    const LayerBits bits = quant::kernel_bits(formats);
    const Storage from = quant::input_storage(network.layers[0], bits);
    BOOST_TEST(model.choose(network.layers[0], to_floats(bits, from)) ==
               quant::first_capable_kernel().choose(network.layers[0], to_floats(bits, from)));
  }
}

BOOST_AUTO_TEST_CASE(fewer_bits_never_cost_a_layer_more) {
  const quant::NetworkInfo network = tiny_network();
  const auto table = made_up_table(network, kAll);
  for (const hwmodels::CatalogStep& entry : hwmodels::enumerate_steps(network, kAll).layers) {
    const quant::LayerInfo& layer = network.layers[static_cast<std::size_t>(entry.step.layer)];
    const hwmodels::LayerPrices prices(table, layer, entry.key, entry.step.from, entry.step.to, 1,
                                       hwmodels::resident_state(network, 1));
    const bool floats = entry.step.from == Storage::f32;
    for (int weight = 3; weight <= 8; ++weight)
      for (int activation = 2; activation <= 8; ++activation) {
        const LayerBits bits{weight, floats ? quant::kFloatBits : activation};
        BOOST_TEST(prices.at(bits).us > 0);
        BOOST_TEST(prices.at({weight - 1, bits.activation}).us <= prices.at(bits).us);
        if (!floats && activation > 2)
          BOOST_TEST(prices.at({weight, activation - 1}).us <= prices.at(bits).us);
      }
  }
}

BOOST_AUTO_TEST_CASE(every_missing_entry_is_named) {
  const quant::NetworkInfo network = tiny_network();
  const auto whole = made_up_table(network, kAll);
  const auto needed = hwmodels::needed_entries(network, kAll, {});
  hwmodels::LatencyTable table;
  for (std::size_t i = 2; i < needed.size(); ++i) table.set(needed[i], *whole.find(needed[i]));
  BOOST_CHECK_EXCEPTION(
      HostModel(network, table, {}, kAll), base::UserError,
      message_has({"'tiny'", "2 entries are missing", to_string(needed[0]), to_string(needed[1])}));
  table.set(needed[0], *whole.find(needed[0]));
  BOOST_CHECK_EXCEPTION(HostModel(network, table, {}, kAll), base::UserError,
                        message_has({"1 entry is missing", to_string(needed[1])}));
  hwmodels::HostOptions batch;
  batch.batch = 2;
  BOOST_CHECK_EXCEPTION(HostModel(network, whole, batch, kAll), base::UserError, message_has({"batch 2"}));
}

BOOST_AUTO_TEST_CASE(bits_whose_kernels_were_not_measured_have_no_price) {
  // Signed inputs: of unsigned ones oneDNN, without VNNI, may serve (6, 5), but not (8, 8).
  quant::NetworkBuilder net("one", {64, 1, 1});
  net.linear("fc", net.input(), 32, false);
  const quant::NetworkInfo network = std::move(net).build();
  const hwmodels::BitChoices eight{{8}, {8}};
  const HostModel model(network, made_up_table(network, eight), {}, eight);
  BOOST_TEST(model.price(network, {{{6, 5}}}).totals[0] == model.price(network, {{{8, 8}}}).totals[0]);
  BOOST_CHECK_EXCEPTION(model.price(network, {{{4, 8}}}), base::UserError, message_has({"missing", "w4a"}));
  BOOST_CHECK_EXCEPTION(model.choose(network.layers[0], to_floats({4, 8}, Storage::s8)), base::UserError,
                        message_has({"missing", "w4a"}));
  BOOST_CHECK_THROW(model.price(network, {{{9, 8}}}), base::UserError);
  BOOST_CHECK_THROW(model.price(network, {{{32, 8}}}), base::UserError);
}

BOOST_AUTO_TEST_CASE(the_fingerprint_is_of_the_prices_that_can_be_used) {
  const quant::NetworkInfo network = tiny_network();
  auto table = made_up_table(network, kAll);
  const std::string fingerprint = HostModel(network, table, {}, kAll).fingerprint();
  BOOST_TEST(HostModel(network, table, {}, kAll).fingerprint() == fingerprint);
  hwmodels::HostOptions cold;
  cold.cold_weights = true;
  BOOST_TEST(HostModel(network, table, cold, kAll).fingerprint() != fingerprint);
  table.set({"conv of another network", "int8", {8, 8}, 1, 1, hwmodels::CacheState::hot}, entry_of({1.0}));
  BOOST_TEST(HostModel(network, table, {}, kAll).fingerprint() == fingerprint);
  table.set(hwmodels::needed_entries(network, kAll, {})[0], entry_of({20.0}));
  BOOST_TEST(HostModel(network, table, {}, kAll).fingerprint() != fingerprint);
}

BOOST_AUTO_TEST_CASE(a_tensor_with_two_readers_is_quantized_once_for_equal_bits) {
  const quant::NetworkInfo network = hwmodels_tests::branching_network();
  const HostModel model(network, made_up_table(network, kAll), {}, kAll);
  quant::Policy policy = all_layers(network, {8, 8});
  const std::size_t steps = model.price(network, policy).steps.size();
  policy.layers[1].activation = 4;
  BOOST_TEST(model.price(network, policy).steps.size() == steps + 1);
  policy.layers[2].activation = 4;
  BOOST_TEST(model.price(network, policy).steps.size() == steps + 1);
}

BOOST_AUTO_TEST_CASE(prices_are_the_same_from_many_threads) {
  const quant::NetworkInfo network = hwmodels_tests::branching_network();
  const auto table = made_up_table(network, kAll);
  const HostModel model(network, table, {}, kAll), serial(network, table, {}, kAll);
  constexpr int kPolicies = 400;
  std::vector<quant::Policy> policies;
  base::Rng rng(8);
  for (int i = 0; i < kPolicies; ++i) policies.push_back(random_policy(network, kAll, rng));
  std::vector<double> prices(kPolicies);
  base::set_thread_count(4);
  base::parallel_for(kPolicies, [&](int i) {
    const auto at = static_cast<std::size_t>(i);
    prices[at] = model.price(network, policies[at]).totals[0];
  });
  base::set_thread_count(0);
  for (std::size_t i = 0; i < policies.size(); ++i)
    BOOST_TEST(prices[i] == serial.price(network, policies[i]).totals[0]);
}

BOOST_AUTO_TEST_CASE(formats_cost_what_the_kernels_that_serve_them_cost) {
  const auto format = [](const char* name) { return *quant::find_format(name); };
  const hwmodels::BitChoices choices{
      {4, format("binary"), format("ternary"), format("mxfp4"), format("fp4_e2m1")}, {4, 8}};
  for (const quant::NetworkInfo& network :
       {tiny_network(), hwmodels_tests::branching_network(), hwmodels_tests::attention_network()}) {
    const auto table = made_up_table(network, choices);
    const HostModel model(network, table, {}, choices);
    const auto price = [&](quant::LayerFormats formats) {
      return model.price(network, all_layers(network, formats)).totals[0];
    };
    BOOST_TEST(price({format("fp4_e2m1"), 8}) == price({5, 8}));
    BOOST_TEST(price({format("ternary"), 4}) == price({2, 4}));
    BOOST_TEST(price({format("mxfp4"), 32}) >= price({32, 32}));  // other steps do nothing where all is fp32
    base::Rng rng(3);
    for (int i = 0; i < 200; ++i) {
      const quant::Policy policy = random_policy(network, choices, rng);
      BOOST_TEST(model.price(network, policy).totals[0] > 0);
      const quant::Plan plan = quant::lower(network, policy, model);
      double sum = 0;
      for (const hwmodels::Cost::StepCost& step : model.price(network, policy).steps) sum += step.values[0];
      BOOST_TEST(plan.steps.size() == model.price(network, policy).steps.size());
      BOOST_TEST(sum == model.price(network, policy).totals[0], boost::test_tools::tolerance(1e-9));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
