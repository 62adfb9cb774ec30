#include <boost/test/unit_test.hpp>

#include "hwmodels/bops_model.hpp"
#include "hwmodels/size_model.hpp"
#include "tests/hwmodels/networks.hpp"

using namespace bitsmith;
using hwmodels_tests::all_layers;
using hwmodels_tests::tiny_network;

namespace {

quant::LayerInfo linear_layer(int inputs, int outputs, bool bias) {
  quant::NetworkBuilder net("fc", {inputs, 1, 1});
  net.linear("fc", 0, outputs, bias);
  return std::move(net).build().layers[0];
}

constexpr auto kChannel = quant::Granularity::channel;
constexpr auto kTensor = quant::Granularity::tensor;

}  // namespace

BOOST_AUTO_TEST_SUITE(size_and_bops)

BOOST_AUTO_TEST_CASE(a_row_of_three_4_bit_weights_takes_two_bytes) {
  // 5 rows of ceil(3 * 4 / 8) = 2 bytes, one fp32 scale for each row.
  BOOST_TEST(hwmodels::layer_bytes(linear_layer(3, 5, false), 4, kChannel, false) == 5 * 2 + 5 * 4);
}

BOOST_AUTO_TEST_CASE(a_tensor_with_one_scale_adds_four_bytes_and_a_bias_four_per_channel) {
  BOOST_TEST(hwmodels::layer_bytes(linear_layer(16, 10, false), 8, kTensor, false) == 160 + 4);
  BOOST_TEST(hwmodels::layer_bytes(linear_layer(16, 10, true), 8, kTensor, false) == 160 + 4 + 40);
}

BOOST_AUTO_TEST_CASE(fp32_weights_take_four_bytes_and_have_no_scale) {
  BOOST_TEST(hwmodels::layer_bytes(linear_layer(16, 10, true), quant::kFloatBits, kChannel, false) ==
             640 + 40);
}

BOOST_AUTO_TEST_CASE(batch_norm_behind_a_layer_is_one_multiplier_and_one_bias_per_channel) {
  const quant::LayerInfo layer = linear_layer(16, 10, false);
  for (const auto granularity : {kChannel, kTensor})
    BOOST_TEST(hwmodels::layer_bytes(layer, 2, granularity, true) == 10 * 4 + 80);
  BOOST_TEST(hwmodels::layer_bytes(layer, quant::kFloatBits, kChannel, true) == 640 + 80);
}

BOOST_AUTO_TEST_CASE(size_of_the_tiny_network_is_the_sum_by_hand) {
  const quant::NetworkInfo network = tiny_network();
  const hwmodels::Cost cost = hwmodels::SizeModel(kChannel).price(network, all_layers(network, {4, 8}));
  // conv1: 8 rows of 27 weights -> 14 bytes; conv2: 8 of 72 -> 36; dw: 8 of 9 -> 5; fc: 10 of 8 -> 4 bytes.
  // Multiplier and bias: 8 bytes per channel, everywhere.
  const double bytes[] = {8 * 14 + 64, 8 * 36 + 64, 8 * 5 + 64, 10 * 4 + 80};
  BOOST_REQUIRE(cost.layers.size() == 4u);
  double total = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    BOOST_TEST(cost.layers[i].values[0] == bytes[i] / 1024);
    total += bytes[i] / 1024;
  }
  BOOST_TEST(cost.totals[0] == total);
}

BOOST_AUTO_TEST_CASE(a_batch_norm_that_follows_no_layer_counts_in_the_total) {
  quant::NetworkBuilder net("loose", {3, 4, 4});
  net.linear("fc", net.flatten("flat", net.batch_norm("bn", 0)), 2, false);
  const quant::NetworkInfo network = std::move(net).build();
  const hwmodels::Cost cost = hwmodels::SizeModel(kChannel).price(network, all_layers(network, {8, 8}));
  BOOST_TEST(cost.totals[0] == (2 * 48 + 8 + 3 * 8) / 1024.0);
  BOOST_TEST(cost.layers[0].values[0] == (2 * 48 + 8) / 1024.0);
}

BOOST_AUTO_TEST_CASE(bops_are_macs_times_both_bits) {
  const quant::NetworkInfo network = tiny_network();
  const hwmodels::BopsModel model;
  // MACs: conv1 27 * 8 * 64, conv2 72 * 8 * 64, dw 9 * 8 * 16, fc 80.
  const double macs = 13824 + 36864 + 1152 + 80;
  BOOST_TEST(model.price(network, all_layers(network, {4, 2})).totals[0] == macs * 8 / 1e9,
             boost::test_tools::tolerance(1e-12));  // another order of summation
  quant::Policy mixed = all_layers(network, {8, 8});
  mixed.layers[1] = {3, 5};
  mixed.layers[3] = {8, quant::kFloatBits};
  const hwmodels::Cost cost = model.price(network, mixed);
  BOOST_TEST(cost.layers[1].values[0] == 36864 * 15 / 1e9);
  BOOST_TEST(cost.layers[3].values[0] == 80 * 256 / 1e9);
}

BOOST_AUTO_TEST_CASE(formats_are_priced_by_their_true_bits) {
  const quant::LayerInfo layer = linear_layer(64, 10, false);
  const auto bytes = [&](const char* name) {
    return hwmodels::layer_bytes(layer, *quant::find_format(name), kChannel, false);
  };
  BOOST_TEST(bytes("ternary") == 640 / 5 + 10 * 4);  // five to a byte, a scale a row
  BOOST_TEST(bytes("binary") == 640 / 8 + 10 * 4);
  BOOST_TEST(bytes("mxfp4") == 640 / 2 + 20);              // a byte for each 32
  BOOST_TEST(bytes("nf4") == 640 / 2 + 10 * 4);            // fp32 for each 64
  BOOST_TEST(bytes("kmeans3") == 640 * 3 / 8 + 8 * 4);     // one codebook
  BOOST_TEST(bytes("mx6") == 640 * 5 / 8 + 40 + 320 / 8);  // an exponent for 16, a bit for 2
  BOOST_TEST(bytes("nvfp4") > 640 / 2 + 40);
}

BOOST_AUTO_TEST_CASE(bit_operations_count_the_bits_of_an_element) {
  const quant::NetworkInfo network = tiny_network();
  const auto gbops = [&](const char* name) {
    return hwmodels::BopsModel()
        .price(network, all_layers(network, {*quant::find_format(name), 8}))
        .totals[0];
  };
  BOOST_TEST(gbops("mxfp4") == gbops("int4"));
  BOOST_TEST(gbops("binary") * 4 == gbops("int4"), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_SUITE_END()
