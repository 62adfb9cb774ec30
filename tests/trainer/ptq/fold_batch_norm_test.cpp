#include "trainer/ptq/fold_batch_norm.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/trainer/ptq/ptq_networks.hpp"
#include "trainer/networks/networks.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

BOOST_AUTO_TEST_SUITE(fold_batch_norm)

BOOST_AUTO_TEST_CASE(logits_stay_in_every_network) {
  for (const NetworkRow& row : network_rows())
    for (Joins joins : {Joins::fp32, Joins::int8}) {
      const quant::Shape shape{3, 16, 16};
      Network network(build_network(row.name, shape, 7, {.joins = joins, .width = small_width(row)}), 3);
      scramble(network, 5);
      ptq::FoldedNetwork folded = ptq::fold_batch_norms(network);
      const Tensor images = random_images(9, shape, 2);
      BOOST_TEST_CONTEXT(row.name) {
        BOOST_TEST(relative_difference(logits_of(network, images), logits_of(folded.network, images)) <
                   kSameFunction);
        for (const quant::Node& node : folded.network.info().nodes)
          BOOST_TEST((node.op != quant::Op::batch_norm));
        BOOST_TEST(folded.network.info().layers.size() == network.info().layers.size());
        const auto readers = network.info().consumers();
        const auto normed = [&](std::size_t layer) {
          const auto& reading = readers[static_cast<std::size_t>(network.info().layers[layer].node)];
          return !reading.empty() &&
                 network.info().nodes[static_cast<std::size_t>(reading[0])].op == quant::Op::batch_norm;
        };
        int norms = 0;
        for (std::size_t l = 0; l < folded.outputs.size(); ++l) norms += normed(l);
        BOOST_TEST(folded.folded == norms);
        for (std::size_t l = 0; l < folded.outputs.size(); ++l) {
          BOOST_TEST(folded.network.info().layers[l].name == network.info().layers[l].name);
          BOOST_TEST(folded.network.info().layers[l].bias);
          BOOST_TEST(folded.outputs[l].known() == normed(l));
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(zero_and_negative_gammas_fold_as_they_are) {
  quant::NetworkBuilder net("gammas", {1, 1, 1});
  net.batch_norm("bn", net.linear("fc", net.input(), 3, true));
  Network network(std::move(net).build(), 1);
  network.find_parameter("fc.weight")->value = {2.0f, 2.0f, 2.0f};
  network.find_parameter("fc.bias")->value = {1.0f, 1.0f, 1.0f};
  network.find_parameter("bn.weight")->value = {0.0f, -3.0f, 1.5f};
  network.find_parameter("bn.bias")->value = {0.25f, 0.5f, -1.0f};
  network.find_buffer("bn.running_mean")->value = {4.0f, 0.0f, 1.0f};
  network.find_buffer("bn.running_var")->value = {1.0f, 4.0f, 0.0f};
  ptq::FoldedNetwork folded = ptq::fold_batch_norms(network);
  const auto& weight = folded.network.find_parameter("fc.weight")->value;
  const auto& bias = folded.network.find_parameter("fc.bias")->value;
  BOOST_TEST(weight[0] == 0.0f);
  BOOST_TEST(bias[0] == 0.25f);
  BOOST_TEST(weight[1] == -3.0f, boost::test_tools::tolerance(1e-5f));
  BOOST_TEST(bias[1] == 0.5f - 1.5f, boost::test_tools::tolerance(1e-5f));
  BOOST_TEST(folded.outputs[0].deviation[0] == 0.0);
  BOOST_TEST(folded.outputs[0].deviation[1] == 3.0, boost::test_tools::tolerance(1e-5));
  BOOST_TEST(folded.outputs[0].deviation[2] == 0.0);  // nothing varies: epsilon's share is all there is
  BOOST_TEST(folded.outputs[0].mean[1] == 0.5);
}

BOOST_AUTO_TEST_CASE(batch_norms_that_do_not_follow_a_layer_alone_stay) {
  quant::NetworkBuilder net("others", {2, 4, 4});
  const int first = net.batch_norm("bn_of_images", net.input());
  const int conv = net.conv("conv", first, 3, quant::Window::square(3, 1, 1));
  const int norm = net.batch_norm("bn_shared", conv);
  const int sum = net.add("add", conv, norm);
  net.batch_norm("bn_of_sum", net.relu("relu", sum));
  Network network(std::move(net).build(), 1);
  scramble(network, 9);
  ptq::FoldedNetwork folded = ptq::fold_batch_norms(network);
  BOOST_TEST(folded.folded == 0);
  BOOST_TEST(folded.network.info().nodes.size() == network.info().nodes.size());
  const Tensor images = random_images(4, {2, 4, 4}, 2);
  BOOST_TEST(relative_difference(logits_of(network, images), logits_of(folded.network, images)) <
             kSameFunction);
}

BOOST_AUTO_TEST_CASE(without_folding_layers_only_get_a_bias) {
  Network network(build_network("cnn_small", {1, 8, 8}, 3), 1);
  scramble(network, 9);
  ptq::FoldedNetwork plain = ptq::fold_batch_norms(network, false);
  BOOST_TEST(plain.folded == 0);
  BOOST_TEST(plain.network.info().nodes.size() == network.info().nodes.size());
  for (const quant::LayerInfo& layer : plain.network.info().layers) BOOST_TEST(layer.bias);
  const Tensor images = random_images(4, {1, 8, 8}, 2);
  BOOST_TEST(relative_difference(logits_of(network, images), logits_of(plain.network, images)) <
             kSameFunction);
}

BOOST_AUTO_TEST_SUITE_END()
