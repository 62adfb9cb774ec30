#include "trainer/ptq/adaround.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>

#include "quant/base/parallel.hpp"
#include "quant/fake_quantize.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/ptq/ptq_networks.hpp"
#include "trainer/ptq/fix_weights.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"
#include "trainer/ptq/node_walk.hpp"
#include "trainer/ptq/output_samples.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

struct Rounded {
  Network reference, quantized;
  std::vector<ptq::LayerRounding> layers;
};

Rounded round_example(Example& example, quant::LayerFormats bits, quant::Granularity granularity) {
  Rounded rounded{ptq::fold_batch_norms(example.network).network, example.network.clone(), {}};
  rounded.quantized = rounded.reference.clone();
  quant::QuantizationOptions options;
  options.weight_granularity = granularity;
  apply_policy(rounded.quantized, quant::uniform_policy(rounded.reference.info(), bits),
               calibrate(rounded.reference, example.source, options), options);
  ptq::fix_weights(rounded.quantized);
  ptq::AdaRoundOptions adaround;
  adaround.iterations = 300;
  rounded.layers =
      ptq::adaround(rounded.quantized, rounded.reference, example.data.images, {96, 1024, 128}, adaround, 1);
  return rounded;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(adaround)

BOOST_AUTO_TEST_CASE(weights_go_to_one_of_the_two_next_levels_and_the_loss_down) {
  for (auto granularity : {quant::Granularity::channel, quant::Granularity::tensor}) {
    Example example("mobilenet_v2_small", 3);
    const Rounded rounded = round_example(example, {4, 8}, granularity);
    double before = 0, after = 0;
    for (std::size_t l = 0; l < rounded.layers.size(); ++l) {
      const quant::LayerInfo& layer = rounded.reference.info().layers[l];
      const LayerQuantization& q = rounded.quantized.quantization(static_cast<int>(l));
      const auto& wanted = rounded.reference.find_parameter(layer.name + ".weight")->value;
      const auto& got = rounded.quantized.find_parameter(layer.name + ".weight")->value;
      BOOST_REQUIRE(q.weight_scales.size() ==
                    (granularity == quant::Granularity::channel ? std::size_t(layer.output.channels) : 1));
      const std::size_t row = wanted.size() / q.weight_scales.size();
      int moved = 0;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const float scale = q.weight_scales[i / row];
        const float steps = got[i] / scale;
        BOOST_REQUIRE(std::abs(steps - std::nearbyint(steps)) < 1e-4f);
        if (std::abs(wanted[i]) < 6.9f * scale)  // what is clipped lies farther
          BOOST_REQUIRE(std::abs(got[i] - wanted[i]) < 1.001f * scale);
        moved += std::abs(got[i] - quant::fake_quantize_one(wanted[i], scale, {-7, 7})) > 0.5f * scale;
      }
      BOOST_TEST(moved == rounded.layers[l].moved * static_cast<double>(wanted.size()),
                 boost::test_tools::tolerance(1e-6));
      BOOST_TEST(rounded.layers[l].loss <= rounded.layers[l].nearest_loss);
      before += rounded.layers[l].nearest_loss;
      after += rounded.layers[l].loss;
    }
    BOOST_TEST(after < 0.95 * before);  // little to win: of random weights, in 300 iterations
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_changes_no_bit) {
  std::vector<std::vector<float>> weights;
  for (int threads : {1, 3}) {
    base::set_thread_count(threads);
    Example example("cnn_small", 3);
    const Rounded rounded = round_example(example, {3, 6}, quant::Granularity::channel);
    for (const Parameter& parameter : rounded.quantized.parameters()) weights.push_back(parameter.value);
  }
  base::set_thread_count(0);
  const std::size_t half = weights.size() / 2;
  for (std::size_t i = 0; i < half; ++i) BOOST_TEST((weights[i] == weights[half + i]));
}

BOOST_AUTO_TEST_CASE(sampled_inputs_times_weights_are_the_sampled_outputs) {
  quant::NetworkBuilder net("layers", {4, 7, 6});
  quant::Window window;
  window = {3, 2, 2, 1, 1, 2, 1, 0, 0, 1};  // rows and columns as different as they can be
  int x = net.conv("grouped", net.input(), 6, window, 2, true);
  x = net.conv("depthwise", x, 6, quant::Window::square(3, 1, 1), 6, true);
  net.linear("fc", net.flatten("flatten", x), 3);
  Network network(std::move(net).build(), 5);
  scramble(network, 1);
  const Tensor images = random_images(6, {4, 7, 6}, 2);
  ptq::NodeWalk walk(network, images);
  for (int node = 1; node < static_cast<int>(network.info().nodes.size()); ++node) walk.run(node);
  for (const quant::LayerInfo& layer : network.info().layers) {
    const auto positions = ptq::sample_positions(layer.output, 6, 30, 4);
    BOOST_TEST(positions.size() == (layer.kind == quant::LayerKind::linear ? 6u : 30u));
    const auto& weights = network.find_parameter(layer.name + ".weight")->value;
    const auto& bias = network.find_parameter(layer.name + ".bias")->value;
    const auto outputs = static_cast<std::size_t>(layer.output.channels / layer.groups);
    const std::size_t depth = weights.size() / static_cast<std::size_t>(layer.output.channels);
    const int input = network.info().nodes[static_cast<std::size_t>(layer.node)].inputs[0];
    for (int group = 0; group < layer.groups; ++group) {
      std::vector<float> rows(positions.size() * depth), targets(positions.size() * outputs);
      ptq::gather_inputs(layer, walk.value(input), positions, group, rows.data());
      ptq::gather_outputs(walk.value(layer.node), positions, group * static_cast<int>(outputs),
                          static_cast<int>(outputs), targets.data());
      for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t p = 0; p < positions.size(); ++p) {
          const std::size_t channel = static_cast<std::size_t>(group) * outputs + o;
          double y = static_cast<double>(bias[channel]);
          for (std::size_t k = 0; k < depth; ++k)
            y += static_cast<double>(weights[channel * depth + k]) * static_cast<double>(rows[p * depth + k]);
          BOOST_REQUIRE(std::abs(y - static_cast<double>(targets[o * positions.size() + p])) < 1e-5);
        }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
