#include "trainer/ptq/finetune_centroids.hpp"

#include <boost/test/unit_test.hpp>

#include <set>

#include "quant/weight_encoding.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/ptq/ptq_networks.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/ptq/fold_batch_norm.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

BOOST_AUTO_TEST_SUITE(finetune_centroids)

BOOST_AUTO_TEST_CASE(losses_fall_and_codebooks_stay_codebooks) {
  Example example("mobilenet_v2_small", 3);
  Network reference = ptq::fold_batch_norms(example.network).network;
  Network quantized = reference.clone();
  const quant::Format format = *quant::find_format("kmeans3");
  quant::Policy policy = quant::uniform_policy(reference.info(), {format, 8});
  policy.layers.front() = {8, 8};
  apply_policy(quantized, policy, calibrate(reference, example.source, {}), {});
  const std::vector<float> first = quantized.parameters().front().value;
  ptq::CentroidOptions options;
  options.iterations = 200;
  const auto fits =
      ptq::finetune_centroids(quantized, reference, example.data.images, {96, 1024, 256}, options, 1);
  BOOST_TEST(fits.front().nearest_loss == 0.0);
  BOOST_TEST((quantized.parameters().front().value == first));
  double before = 0, after = 0;
  for (std::size_t l = 1; l < fits.size(); ++l) {
    BOOST_TEST(fits[l].loss <= fits[l].nearest_loss);
    before += fits[l].nearest_loss;
    after += fits[l].loss;
    const quant::LayerInfo& layer = reference.info().layers[l];
    const auto& weights = quantized.find_parameter(layer.name + ".weight")->value;
    BOOST_TEST(std::set<float>(weights.begin(), weights.end()).size() <= 8u);
    // What the network multiplies with are the centroids as they were left.
    const auto again = quant::decode(
        quant::encode_weights(weights, layer.output.channels, format, quant::Granularity::channel));
    BOOST_TEST((again == weights));
  }
  BOOST_TEST(after < 0.99 * before);
}

BOOST_AUTO_TEST_CASE(the_gradient_of_a_centroid_is_the_sum_over_its_cluster) {
  // One linear layer, two clusters: the least squares solution is known.
  quant::NetworkBuilder net("line", {2, 1, 1});
  net.linear("fc", net.input(), 1, true);
  Network reference(std::move(net).build(), 1);
  reference.find_parameter("fc.weight")->value = {0.9f, 1.3f};
  Network quantized = reference.clone();
  LayerQuantization q;
  q.weight_format = *quant::find_format("kmeans1");
  quantized.set_quantization(0, q);
  // Both weights in one cluster: inputs (1, 2) want c (1 + 2) = 0.9 + 2.6.
  quantized.find_parameter("fc.weight")->value = {1.1f, 1.1f};
  Tensor images(64, {2, 1, 1});
  for (int n = 0; n < 64; ++n) {
    images.sample(n)[0] = 1.0f + 0.01f * static_cast<float>(n);
    images.sample(n)[1] = 2.0f * images.sample(n)[0];
  }
  ptq::CentroidOptions options;
  options.iterations = 2000;
  ptq::finetune_centroids(quantized, reference, images, {64, 64, 64}, options, 1);
  for (float w : quantized.find_parameter("fc.weight")->value)
    BOOST_TEST(w == 3.5f / 3.0f, boost::test_tools::tolerance(1e-3f));
}

BOOST_AUTO_TEST_SUITE_END()
