#include "trainer/ptq/equalize.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/ptq/ptq_networks.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/ptq/absorb_bias.hpp"
#include "trainer/ptq/connections.hpp"
#include "trainer/ptq/redescribe.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

double range_of_output(const Network& network, int layer, int channel) {
  const quant::LayerInfo& info = network.info().layers[static_cast<std::size_t>(layer)];
  const auto& weights = network.find_parameter(info.name + ".weight")->value;
  const std::size_t row = weights.size() / static_cast<std::size_t>(info.output.channels);
  double most = 0;
  for (std::size_t i = 0; i < row; ++i)
    most =
        std::max(most, std::abs(static_cast<double>(weights[static_cast<std::size_t>(channel) * row + i])));
  return most;
}

double range_of_input(const Network& network, const ptq::Connection& connection, int channel) {
  const auto& name = network.info().layers[static_cast<std::size_t>(connection.to)].name;
  const auto& weights = network.find_parameter(name + ".weight")->value;
  double most = 0;
  ptq::for_each_reader(network.info(), connection, channel, [&](std::size_t i) {
    most = std::max(most, std::abs(static_cast<double>(weights[i])));
  });
  return most;
}

/// Two groups, a pooling and a flattening of several pixels on the way; ReLU6 in the middle.
quant::NetworkInfo grouped_network() {
  quant::NetworkBuilder net("grouped", {2, 8, 8});
  int x = net.relu("r1", net.conv("a", net.input(), 8, quant::Window::square(3, 1, 1), 1, true));
  x = net.relu6("r2", net.conv("b", x, 12, quant::Window::square(3, 2, 1), 2, true));
  x = net.conv("c", x, 6, quant::Window::square(3, 1, 1), 1, true);
  x = net.max_pool("pool", net.relu("r3", x), quant::Window::square(2, 2));
  net.linear("fc", net.flatten("flatten", x), 5);
  return std::move(net).build();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(equalize)

BOOST_AUTO_TEST_CASE(the_function_stays_and_connected_ranges_become_equal) {
  for (const NetworkRow& row : network_rows()) {
    const quant::Shape shape{3, 16, 16};
    Network as_built(build_network(row.name, shape, 7, {.width = small_width(row)}), 3);
    int replaced = 0;  // ReLU6 does not scale with its input
    Network network = ptq::with_relu_for_relu6(as_built, replaced);
    scramble(network, 5);
    ptq::FoldedNetwork folded = ptq::fold_batch_norms(network);
    constexpr int kSweeps = 400;  // the 28 layers of mobilenet_v1 are one chain
    const ptq::EqualizeReport report = ptq::equalize(folded.network, folded.outputs, {.sweeps = kSweeps});
    BOOST_TEST_CONTEXT(row.name) {
      BOOST_TEST(report.sweeps < kSweeps);
      const Tensor images = random_images(9, shape, 2);
      BOOST_TEST(relative_difference(logits_of(network, images), logits_of(folded.network, images)) <
                 kSameFunction);
      const auto connections = ptq::find_connections(folded.network.info());
      BOOST_TEST(static_cast<int>(connections.size()) == report.pairs + 2 * report.triples);
      BOOST_TEST(connections.empty() == (row.name == "vit_tiny"));  // GELU and layer norm do not commute
      for (const ptq::Connection& connection : connections)
        for (int c = 0;
             c < folded.network.info().layers[static_cast<std::size_t>(connection.from)].output.channels; ++c)
          BOOST_TEST(range_of_output(folded.network, connection.from, c) ==
                         range_of_input(folded.network, connection, c),
                     boost::test_tools::tolerance(1e-3));
    }
  }
}

BOOST_AUTO_TEST_CASE(pairs_and_triples_are_those_of_the_graph) {
  const auto count = [](const char* name) {
    Network network(build_network(name, {3, 16, 16}, 7), 3);
    ptq::FoldedNetwork folded = ptq::fold_batch_norms(network);
    const auto report = ptq::equalize(folded.network, folded.outputs);
    return std::pair(report.pairs, report.triples);
  };
  BOOST_TEST((count("cnn_small") == std::pair(5, 0)));  // the last one through the pooling
  BOOST_TEST((count("resnet20") == std::pair(9, 0)));   // within blocks; all else crosses an addition
  // Ten expansions with their depthwise layer and projection. The first block has no expansion, and what it
  // reads is read by its addition too: its depthwise layer and projection are a pair, as are conv2 and fc.
  BOOST_TEST((count("mobilenet_v2_small") == std::pair(2, 10)));
}

BOOST_AUTO_TEST_CASE(ranges_orders_of_magnitude_apart_come_back_at_8_bits_and_one_scale) {
  Example example("mobilenet_v2_small", 1);
  ptq::FoldedNetwork folded = ptq::fold_batch_norms(example.network);
  Network& network = folded.network;
  const Tensor wanted = logits_of(network, example.data.images);
  const auto loss = [&](const Network& floats) {
    Network quantized = floats.clone();
    LayerQuantization q;
    q.weight_format = 8;
    q.weight_granularity = quant::Granularity::tensor;
    for (std::size_t l = 0; l < quantized.info().layers.size(); ++l)
      quantized.set_quantization(static_cast<int>(l), q);
    return relative_difference(wanted, logits_of(quantized, example.data.images));
  };
  const double before = loss(network);
  base::Rng rng(1);  // the same function, channels scaled as training may leave them
  for (const ptq::Connection& connection : ptq::find_connections(network.info())) {
    const quant::LayerInfo& from = network.info().layers[static_cast<std::size_t>(connection.from)];
    const quant::LayerInfo& to = network.info().layers[static_cast<std::size_t>(connection.to)];
    auto& weights = network.find_parameter(from.name + ".weight")->value;
    auto& readers = network.find_parameter(to.name + ".weight")->value;
    const std::size_t row = weights.size() / static_cast<std::size_t>(from.output.channels);
    for (int c = 0; c < from.output.channels; ++c) {
      const auto factor = static_cast<float>(std::exp(1.5 * rng.normal()));
      const auto first = weights.begin() + c * static_cast<std::ptrdiff_t>(row);
      std::for_each(first, first + static_cast<std::ptrdiff_t>(row), [&](float& w) { w *= factor; });
      network.find_parameter(from.name + ".bias")->value[static_cast<std::size_t>(c)] *= factor;
      ptq::for_each_reader(network.info(), connection, c, [&](std::size_t i) { readers[i] /= factor; });
    }
  }
  const double scaled = loss(network);
  ptq::equalize(network, folded.outputs);
  const double equalized = loss(network);
  BOOST_TEST_MESSAGE("error of logits: " << before << ", scaled " << scaled << ", equalized " << equalized);
  BOOST_TEST(scaled > 5 * before);
  BOOST_TEST(equalized < 1.5 * before);
}

BOOST_AUTO_TEST_CASE(groups_pooling_and_flattening_are_seen_through_and_relu6_is_not) {
  Network network(grouped_network(), 3);
  scramble(network, 4);
  const Tensor images = random_images(5, {2, 8, 8}, 2);
  const Tensor before = logits_of(network, images);
  std::vector<ptq::ChannelMoments> outputs(network.info().layers.size());
  ptq::EqualizeReport report = ptq::equalize(network, outputs);
  BOOST_TEST(report.pairs == 2);
  BOOST_TEST(relative_difference(before, logits_of(network, images)) < kSameFunction);

  int replaced = 0;
  Network with_relu = ptq::with_relu_for_relu6(network, replaced);
  BOOST_TEST(replaced == 1);
  const Tensor of_relu = logits_of(with_relu, images);
  report = ptq::equalize(with_relu, outputs);
  BOOST_TEST(report.pairs == 3);
  BOOST_TEST(relative_difference(of_relu, logits_of(with_relu, images)) < kSameFunction);
}

BOOST_AUTO_TEST_CASE(dead_channels_are_left_alone) {
  quant::NetworkBuilder net("dead", {1, 1, 1});
  net.linear("b", net.relu("r", net.linear("a", net.input(), 3, true)), 2, true);
  Network network(std::move(net).build(), 1);
  network.find_parameter("a.weight")->value = {0.0f, 4.0f, 1e-20f};
  network.find_parameter("a.bias")->value = {5.0f, 1.0f, 2.0f};
  network.find_parameter("b.weight")->value = {1.0f, 0.5f, 1.0f, 0.25f, 1.0f, 1.0f};
  std::vector<ptq::ChannelMoments> outputs(2);
  outputs[0] = {{5.0, 1.0, 2.0}, {0.0, 4.0, 0.0}};
  ptq::equalize(network, outputs);
  const auto& a = network.find_parameter("a.weight")->value;
  BOOST_TEST(a[0] == 0.0f);
  BOOST_TEST(a[1] == 2.0f, boost::test_tools::tolerance(1e-6f));  // sqrt(4 * 1)
  BOOST_TEST(a[2] == 1e-20f);
  BOOST_TEST(network.find_parameter("a.bias")->value[0] == 5.0f);
  BOOST_TEST(network.find_parameter("a.bias")->value[1] == 0.5f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(outputs[0].mean[1] == 0.5, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(outputs[0].deviation[1] == 2.0, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(absorption_changes_nothing_above_what_it_absorbs) {
  quant::NetworkBuilder net("absorb", {1, 2, 2});
  int x = net.relu("r", net.conv("a", net.input(), 2, quant::Window::square(1), 1, true));
  x = net.conv("b", x, 3, quant::Window::square(2), 1, true);    // no padding
  net.conv("c", x, 2, quant::Window::square(3, 1, 1), 1, true);  // padding: left alone
  Network network(std::move(net).build(), 1);
  network.find_parameter("a.weight")->value = {1.0f, 0.1f};
  network.find_parameter("a.bias")->value = {6.0f, 0.2f};
  std::vector<ptq::ChannelMoments> outputs(3);
  outputs[0] = {{6.0, 0.2}, {1.0, 0.1}};  // absorbs 3 and nothing
  outputs[1] = {{1.0, 1.0, 1.0}, {1.0, 1.0, 1.0}};
  Tensor images(3, {1, 2, 2});  // all within 3 deviations
  base::Rng rng(1);
  for (int i = 0; i < 12; ++i) images.data()[i] = static_cast<float>(rng.uniform(-2.9, 2.9));
  const Tensor before = logits_of(network, images);
  BOOST_TEST(ptq::absorb_high_biases(network, outputs) == 1);
  BOOST_TEST(network.find_parameter("a.bias")->value[0] == 3.0f);
  BOOST_TEST(network.find_parameter("a.bias")->value[1] == 0.2f);
  BOOST_TEST(outputs[0].mean[0] == 3.0);
  BOOST_TEST(relative_difference(before, logits_of(network, images)) < kSameFunction);
}

BOOST_AUTO_TEST_CASE(without_an_activation_the_whole_mean_is_absorbed) {
  quant::NetworkBuilder net("absorb", {1, 1, 1});
  net.linear("b", net.linear("a", net.input(), 2, true), 3, true);
  Network network(std::move(net).build(), 1);
  network.find_parameter("a.bias")->value = {-6.0f, 2.0f};
  std::vector<ptq::ChannelMoments> outputs(2);
  outputs[0] = {{-6.0, 2.0}, {1.0, 1.0}};
  const Tensor images = random_images(3, {1, 1, 1}, 1);
  const Tensor before = logits_of(network, images);
  BOOST_TEST(ptq::absorb_high_biases(network, outputs) == 2);
  for (float bias : network.find_parameter("a.bias")->value) BOOST_TEST(bias == 0.0f);
  BOOST_TEST(relative_difference(before, logits_of(network, images)) < kSameFunction);
}

BOOST_AUTO_TEST_SUITE_END()
