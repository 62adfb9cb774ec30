#include "hwmodels/step_catalog.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "hwmodels/candidates.hpp"
#include "quant/integer_joins.hpp"
#include "tests/hwmodels/networks.hpp"
#include "tests/hwmodels/policies.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels_tests::tiny_network;
using tests::message_has;

BOOST_AUTO_TEST_SUITE(step_catalog)

BOOST_AUTO_TEST_CASE(no_policy_lowers_to_a_step_that_the_catalog_lacks) {
  const quant::NetworkInfo tiny = tiny_network(), branching = hwmodels_tests::branching_network(),
                           attention = hwmodels_tests::attention_network();
  for (const quant::NetworkInfo& network :
       {tiny, branching, attention, quant::with_integer_joins(tiny), quant::with_integer_joins(branching)}) {
    const hwmodels::BitChoices choices;
    const hwmodels::StepCatalog catalog = hwmodels::enumerate_steps(network, choices);
    std::set<hwmodels::LayerStepKey> layers;
    std::set<std::string> others;
    for (const auto& entry : catalog.layers) layers.insert(hwmodels::layer_step_key(entry.step));
    for (const auto& entry : catalog.others) others.insert(entry.key);
    BOOST_TEST(layers.size() == catalog.layers.size());
    BOOST_TEST(others.size() == catalog.others.size());
    base::Rng rng(5);
    constexpr int kPolicies = 500;  // each layer meets each pair of modes with its neighbours many times
    for (int i = 0; i < kPolicies; ++i) {
      const quant::Policy policy = hwmodels_tests::random_policy(network, choices, rng);
      for (const quant::Step& step : quant::lower(network, policy).steps) {
        const bool known = step.kind == quant::StepKind::layer
                               ? layers.contains(hwmodels::layer_step_key(step))
                               : others.contains(step.shape_key(network));
        BOOST_REQUIRE_MESSAGE(known, step.shape_key(network));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(eight_bits_and_fp32_are_always_among_the_choices) {
  const quant::LayerInfo layer = tiny_network().layers[1];
  const auto allowed = hwmodels::layer_choices(layer, {{4}, {4}});
  const std::vector<quant::LayerFormats> expected = {{4, 4}, {4, 8},  {4, 32}, {8, 4},
                                                     {8, 8}, {8, 32}, {32, 32}};
  BOOST_TEST((allowed == expected));
}

BOOST_AUTO_TEST_CASE(one_bit_is_for_unsigned_activations) {
  const quant::NetworkInfo network = tiny_network();
  const auto has_one_bit = [&](std::size_t layer) {
    for (quant::LayerFormats bits : hwmodels::layer_choices(network.layers[layer], {{8}, {1, 8}}))
      if (bits.activation == 1) return true;
    return false;
  };
  BOOST_TEST(!has_one_bit(0));  // the image is signed
  BOOST_TEST(has_one_bit(1));   // after ReLU
}

BOOST_AUTO_TEST_CASE(bits_that_no_quantizer_has_are_refused) {
  const quant::NetworkInfo network = tiny_network();
  BOOST_CHECK_EXCEPTION(hwmodels::enumerate_steps(network, {{1}, {8}}), base::UserError,
                        message_has({"weight bits", "got 1", "2 to 8"}));
  BOOST_CHECK_EXCEPTION(hwmodels::enumerate_steps(network, {{8}, {9}}), base::UserError,
                        message_has({"activation bits", "got 9", "1 to 8"}));
}

BOOST_AUTO_TEST_CASE(a_kernel_is_a_candidate_once_for_all_bits_it_serves) {
  const quant::NetworkInfo network = tiny_network();
  const hwmodels::BitChoices choices;
  const auto candidates =
      hwmodels::find_candidates(network, hwmodels::enumerate_steps(network, choices), choices, 3);
  std::set<hwmodels::EntryKey> keys;
  std::set<std::pair<std::string, std::string>> steps_and_kernels;
  for (const hwmodels::Candidate& candidate : candidates) {
    BOOST_TEST(keys.insert(candidate.key).second);
    BOOST_TEST(steps_and_kernels.insert({candidate.key.step, candidate.key.kernel}).second);
    BOOST_TEST(candidate.key.batch == 3);
    BOOST_TEST((candidate.key.state == hwmodels::CacheState::hot));
    if (candidate.row != nullptr) BOOST_TEST(candidate.row->name == candidate.key.kernel);
  }
}

BOOST_AUTO_TEST_CASE(eight_bits_alone_need_no_four_bit_kernel) {
  const quant::NetworkInfo network = tiny_network();
  for (const hwmodels::EntryKey& key : hwmodels::needed_entries(network, {{8}, {8}}, {}))
    BOOST_TEST((key.bits.weight == 8 || key.bits.weight == quant::kFloatBits), hwmodels::to_string(key));
  BOOST_TEST(hwmodels::needed_entries(network, {{4, 8}, {8}}, {}).size() >
             hwmodels::needed_entries(network, {{8}, {8}}, {}).size());
}

BOOST_AUTO_TEST_CASE(cold_prices_need_cold_entries_of_layers_alone) {
  const quant::NetworkInfo network = tiny_network();
  hwmodels::HostOptions options;
  options.cold_weights = true;
  int layers = 0, others = 0;
  for (const hwmodels::EntryKey& key : hwmodels::needed_entries(network, {}, options)) {
    const bool is_layer = quant::find_kernel_row(key.kernel) != nullptr;
    BOOST_TEST((key.state == hwmodels::CacheState::cold) == is_layer);
    ++(is_layer ? layers : others);
  }
  BOOST_TEST(layers > 0);
  BOOST_TEST(others > 0);
}

BOOST_AUTO_TEST_SUITE_END()
