#include "trainer/ptq/correct_bias.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/ptq/ptq_networks.hpp"
#include "trainer/ptq/expected_activations.hpp"
#include "trainer/ptq/fix_weights.hpp"
#include "trainer/ptq/node_walk.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

/// Mean of each channel of a node's output over images and pixels.
std::vector<double> channel_means(const Network& network, const Tensor& images, int node) {
  ptq::NodeWalk walk(network, images);
  for (int i = 1; i <= node; ++i) walk.run(i);
  const Tensor& value = walk.value(node);
  std::vector<double> means(static_cast<std::size_t>(value.shape().channels), 0.0);
  for (std::int64_t i = 0; i < value.elements(); ++i)
    means[static_cast<std::size_t>(i) % means.size()] += static_cast<double>(value.data()[i]);
  for (double& mean : means)
    mean *= static_cast<double>(means.size()) / static_cast<double>(value.elements());
  return means;
}

/// A padded convolution, depthwise and strided, whose input has the same mean at every pixel.
Network padded_network(std::uint64_t seed) {
  quant::NetworkBuilder net("padded", {2, 5, 7});
  int x = net.relu("r", net.conv("a", net.input(), 4, quant::Window::square(1), 1, true));
  x = net.conv("dw", x, 4, quant::Window::square(3, 2, 1), 4, true);
  net.conv("b", x, 3, quant::Window::square(3, 1, 2, 2), 1, true);
  Network network(std::move(net).build(), seed);
  scramble(network, seed);
  return network;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(correct_bias)

BOOST_AUTO_TEST_CASE(a_walk_computes_what_the_network_computes) {
  for (Joins joins : {Joins::fp32, Joins::int8}) {
    Example example("mobilenet_v2_small", 2, {3, 16, 16}, joins);
    example.quantize(quant::uniform_policy(example.network.info(), {4, 4}));
    ptq::NodeWalk walk(example.network, example.data.images);
    const int last = static_cast<int>(example.network.info().nodes.size()) - 1;
    for (int node = 1; node <= last; ++node) {
      walk.run(node);
      walk.release(node);
    }
    BOOST_TEST(relative_difference(logits_of(example.network, example.data.images), walk.value(last)) < 1e-3);
  }
}

BOOST_AUTO_TEST_CASE(fixing_weights_changes_no_output) {
  Example example("resnet8", 2);
  example.quantize(quant::uniform_policy(example.network.info(), {3, 5}));
  const Tensor before = logits_of(example.network, example.data.images);
  ptq::fix_weights(example.network);
  const Tensor after = logits_of(example.network, example.data.images);
  for (std::int64_t i = 0; i < before.elements(); ++i) BOOST_REQUIRE(before.data()[i] == after.data()[i]);
  BOOST_TEST(!example.network.quantization(0).weight_scales.empty());
}

BOOST_AUTO_TEST_CASE(empirical_correction_gives_every_layer_its_mean_output_back) {
  Example example("resnet8", 4);
  Network reference = ptq::fold_batch_norms(example.network).network;
  Network quantized = reference.clone();
  const quant::QuantizationOptions options;
  apply_policy(quantized, quant::uniform_policy(reference.info(), {3, 4}),
               calibrate(reference, example.source, options), options);
  ptq::fix_weights(quantized);
  ptq::correct_biases_empirically(quantized, reference, example.data.images);
  for (const quant::LayerInfo& layer : reference.info().layers) {
    const auto wanted = channel_means(reference, example.data.images, layer.node);
    const auto got = channel_means(quantized, example.data.images, layer.node);
    for (std::size_t c = 0; c < wanted.size(); ++c) BOOST_TEST(std::abs(wanted[c] - got[c]) < 1e-4);
  }
}

BOOST_AUTO_TEST_CASE(analytic_correction_is_exact_where_means_are_and_padding_counts) {
  Network reference = padded_network(3);
  const Tensor one = random_images(400, {2, 1, 1}, 5);
  Tensor images(400, {2, 5, 7});  // every pixel of an image alike
  for (int n = 0; n < 400; ++n)
    for (int p = 0; p < 35; ++p)
      for (int c = 0; c < 2; ++c) images.sample(n)[p * 2 + c] = one.sample(n)[c];
  Network quantized = reference.clone();
  for (int layer = 1; layer < 3; ++layer) {
    LayerQuantization q;
    q.weight_format = 3;
    quantized.set_quantization(layer, q);
  }
  ptq::fix_weights(quantized);
  // The true means, in place of what a batch norm knows. Layer b's input has them at no pixel: it is left.
  std::vector<ptq::ChannelMoments> expected(reference.info().nodes.size());
  const int input =
      reference.info().nodes[static_cast<std::size_t>(reference.info().layers[1].node)].inputs[0];
  expected[static_cast<std::size_t>(input)].mean = channel_means(reference, images, input);
  const auto left = ptq::correct_biases_analytically(quantized, reference, expected);
  BOOST_TEST((left == std::vector<int>{2}));
  const int depthwise = reference.info().layers[1].node;
  const auto wanted = channel_means(reference, images, depthwise),
             got = channel_means(quantized, images, depthwise);
  for (std::size_t c = 0; c < wanted.size(); ++c) BOOST_TEST(std::abs(wanted[c] - got[c]) < 1e-5);
}

BOOST_AUTO_TEST_CASE(expectations_follow_the_graph) {
  quant::NetworkBuilder net("graph", {1, 4, 4});
  const int a = net.batch_norm("bn1", net.conv("a", net.input(), 2, quant::Window::square(1)));
  const int relu = net.relu("r", a);
  const int b = net.conv("b", relu, 2, quant::Window::square(1));
  const int sum = net.add("add", net.batch_norm("bn2", b), a);
  const int again = net.relu("r2", sum);
  const int pooled = net.max_pool("max", again, quant::Window::square(2, 2));
  net.linear(
      "fc",
      net.flatten("flatten", net.average_pool("mean", net.conv("c", pooled, 3, quant::Window::square(1)),
                                              quant::Window::square(2))),
      2);
  Network network(std::move(net).build(), 1);
  scramble(network, 2);
  const ptq::FoldedNetwork folded = ptq::fold_batch_norms(network);  // bn1 has two readers, conv a one: folds
  BOOST_TEST(folded.folded == 2);
  const auto& info = folded.network.info();
  std::vector<ptq::ChannelMoments> outputs = folded.outputs;
  outputs[2] = {{1.0, 2.0, 3.0}, {1.0, 1.0, 1.0}};  // conv c
  const auto expected = ptq::expected_activations(folded.network, outputs);
  for (std::size_t i = 0; i < info.nodes.size(); ++i) {
    const std::string& name = info.nodes[i].name;
    const bool known = name != "input" && name != "r2" && name != "max" && name != "fc";
    BOOST_TEST(expected[i].known() == known, name);
    if (name == "add")
      for (std::size_t c = 0; c < 2; ++c)
        BOOST_TEST(expected[i].mean[c] == outputs[0].mean[c] + outputs[1].mean[c]);
    if (name == "flatten") BOOST_TEST((expected[i].mean == std::vector<double>{1.0, 2.0, 3.0}));
  }
}

BOOST_AUTO_TEST_SUITE_END()
