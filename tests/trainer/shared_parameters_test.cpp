// Parameters that several nodes share: their copies train as one.

#include <boost/test/unit_test.hpp>

#include <vector>

#include "tests/trainer/small_data.hpp"
#include "trainer/loss.hpp"
#include "trainer/network.hpp"
#include "trainer/optimizer.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

constexpr quant::Shape kShape{2, 6, 6};
constexpr int kClasses = 4;

quant::NetworkInfo twins(bool shared) {
  quant::NetworkBuilder net("twins", kShape);
  int x = net.relu("relu0", net.conv("stem", net.input(), 4, quant::Window::square(3, 1, 1)));
  for (const char* name : {"a", "b"})
    x = net.relu(std::string(name) + ".relu", net.conv(name, x, 4, quant::Window::square(3, 1, 1), 1, true));
  net.linear("fc", net.flatten("flatten", x), kClasses);
  quant::NetworkInfo info = std::move(net).build();
  if (shared) info.shared_parameters = {{"a.weight", "b.weight"}, {"a.bias", "b.bias"}};
  return info;
}

Network network_of(bool shared, bool quantized) {
  Network network(twins(shared), 3);
  for (const std::string number : {"weight", "bias"})
    network.find_parameter("b." + number)->value = network.find_parameter("a." + number)->value;
  LayerQuantization q;
  q.weight_format = q.activation_bits = 4;
  q.activation_signed = false;
  q.activation_scale = 0.2f;
  q.weight_method = quant::WeightMethod::lsq;
  q.activation_method = quant::ActivationMethod::lsq;
  if (quantized)
    for (const char* name : {"a", "b"}) network.set_quantization(network.info().find_layer(name), q);
  return network;
}

void backward(Network& network, const test::SmallData& data) {
  Tensor gradient;
  softmax_cross_entropy(network.forward(data.images, Mode::train), data.labels, 0.0, &gradient);
  network.backward(gradient);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(shared_parameters)

BOOST_AUTO_TEST_CASE(the_gradient_of_a_shared_parameter_is_the_sum_over_its_layers) {
  const auto data = test::make_small_data(16, kShape, kClasses, 7);
  Network apart = network_of(false, true), shared = network_of(true, true);
  backward(apart, data);
  backward(shared, data);
  for (const char* number : {"weight", "weight_step", "bias"}) {
    const auto gradient = [&](const Network& network, const char* layer) {
      const Parameter* found = network.find_parameter(std::string(layer) + "." + number);
      BOOST_REQUIRE_MESSAGE(found != nullptr, number);
      return found->gradient;
    };
    const auto a = gradient(apart, "a"), b = gradient(apart, "b"), sum = gradient(shared, "a");
    BOOST_CHECK(gradient(shared, "b") == sum);
    for (std::size_t i = 0; i < sum.size(); ++i) BOOST_TEST(sum[i] == a[i] + b[i]);
  }
}

BOOST_AUTO_TEST_CASE(copies_of_a_shared_parameter_stay_equal_to_the_bit) {
  const auto data = test::make_small_data(16, kShape, kClasses, 7);
  for (const bool quantized : {false, true}) {
    Network network = network_of(true, quantized);
    const std::vector<float> start = network.find_parameter("a.weight")->value;
    const auto optimizer = make_optimizer({});
    for (int step = 0; step < 10; ++step) {
      backward(network, data);
      optimizer->step(network.parameters(), 0.05);
      network.project_learned_numbers();
    }
    BOOST_CHECK(network.find_parameter("a.weight")->value == network.find_parameter("b.weight")->value);
    BOOST_CHECK(network.find_parameter("a.weight")->value != start);
    BOOST_CHECK(network.find_parameter("a.bias")->value == network.find_parameter("b.bias")->value);
    if (quantized) BOOST_CHECK(network.quantized_weights(1).levels == network.quantized_weights(2).levels);
  }
}

BOOST_AUTO_TEST_SUITE_END()
