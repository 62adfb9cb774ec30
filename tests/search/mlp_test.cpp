#include "search/mlp.hpp"

#include <boost/test/unit_test.hpp>
#include <numeric>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "search/adam.hpp"
#include "tests/search/reference_mlp.hpp"

using namespace bitsmith;
using namespace bitsmith::search;

namespace {

// fp32 against fp64 over dot products of at most 50 terms of order 1.
constexpr double kFloatTolerance = 2e-5;

std::vector<float> uniform(std::size_t count, base::Rng& rng) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.uniform(-1, 1));
  return values;
}

void spread(Mlp& network, base::Rng& rng) {  // parameters large enough that every layer matters
  for (float& value : network.parameters()) value = static_cast<float>(rng.uniform(-0.6, 0.6));
}

void check_against_reference(std::vector<int> sizes, Mlp::Output output, int batch) {
  base::Rng rng(7);
  Mlp network(sizes, output, batch + 3);
  spread(network, rng);
  const auto inputs = uniform(static_cast<std::size_t>(batch * sizes.front()), rng);
  const auto upper = uniform(static_cast<std::size_t>(batch * sizes.back()), rng);
  const reference::Mlp oracle(sizes, output == Mlp::Output::sigmoid, network.parameters());

  std::vector<double> gradient(network.parameters().size());
  std::vector<double> outputs, input_gradient;
  for (int row = 0; row < batch; ++row) {
    const auto in = inputs.begin() + row * sizes.front();
    const auto up = upper.begin() + row * sizes.back();
    const auto values = oracle.forward({in, in + sizes.front()});
    outputs.insert(outputs.end(), values.back().begin(), values.back().end());
    const auto down = oracle.backward(values, {up, up + sizes.back()}, gradient);
    input_gradient.insert(input_gradient.end(), down.begin(), down.end());
  }
  const auto check = [](std::span<const float> got, const std::vector<double>& expected) {
    BOOST_REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      BOOST_TEST(std::abs(got[i] - expected[i]) <= kFloatTolerance * std::max(1.0, std::abs(expected[i])));
    }
  };
  check(network.forward(inputs, batch), outputs);
  network.backward(upper, Mlp::Wanted::parameters);
  check(network.gradient(), gradient);
  const std::vector<float> kept(network.gradient().begin(), network.gradient().end());
  check(network.backward(upper, Mlp::Wanted::inputs), input_gradient);
  BOOST_TEST((kept == std::vector<float>(network.gradient().begin(), network.gradient().end())));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(mlp)

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_the_float64_reference) {
  check_against_reference({10, 40, 30, 1}, Mlp::Output::sigmoid, 5);
  check_against_reference({11, 40, 30, 1}, Mlp::Output::linear, 64);
  check_against_reference({3, 2}, Mlp::Output::linear, 1);
  check_against_reference({1, 1, 1}, Mlp::Output::sigmoid, 1);
  check_against_reference({4, 17, 5, 9, 3}, Mlp::Output::linear, 7);
}

BOOST_AUTO_TEST_CASE(the_reference_gradient_is_the_numeric_one) {
  base::Rng rng(3);
  const std::vector<int> sizes = {4, 6, 5, 2};
  Mlp shape(sizes, Mlp::Output::sigmoid, 1);
  spread(shape, rng);
  reference::Mlp oracle(sizes, true, shape.parameters());
  const std::vector<double> inputs = {0.3, -0.8, 0.5, 0.9}, upper = {1.0, -2.0};
  const auto loss = [&] {
    const auto values = oracle.forward(inputs);
    return upper[0] * values.back()[0] + upper[1] * values.back()[1];
  };
  std::vector<double> gradient(oracle.parameters.size());
  oracle.backward(oracle.forward(inputs), upper, gradient);
  constexpr double kStep = 1e-6, kTolerance = 1e-8;  // the central difference's error is of order step^2
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double kept = oracle.parameters[i];
    oracle.parameters[i] = kept + kStep;
    const double above = loss();
    oracle.parameters[i] = kept - kStep;
    const double below = loss();
    oracle.parameters[i] = kept;
    BOOST_TEST(std::abs((above - below) / (2 * kStep) - gradient[i]) <= kTolerance);
  }
}

BOOST_AUTO_TEST_CASE(results_do_not_depend_on_the_number_of_threads) {
  std::vector<std::vector<float>> gradients;
  for (int threads : {1, 2, 8}) {
    base::set_thread_count(threads);
    base::Rng rng(5);
    Mlp network({10, 400, 300, 1}, Mlp::Output::linear, 64);
    network.initialise(rng);
    network.forward(uniform(640, rng), 64);
    network.backward(uniform(64, rng), Mlp::Wanted::parameters);
    gradients.emplace_back(network.gradient().begin(), network.gradient().end());
  }
  base::set_thread_count(0);
  BOOST_TEST((gradients[0] == gradients[1]));
  BOOST_TEST((gradients[0] == gradients[2]));
}

BOOST_AUTO_TEST_CASE(wrong_sizes_are_programmer_errors) {
  Mlp network({2, 3, 1}, Mlp::Output::linear, 4);
  const std::vector<float> two(2), ten(10);
  BOOST_CHECK_THROW(network.backward(two, Mlp::Wanted::inputs), base::InternalError);
  BOOST_CHECK_THROW(network.forward(ten, 5), base::InternalError);
  BOOST_CHECK_THROW(network.forward(ten, 4), base::InternalError);
  BOOST_CHECK_THROW(network.forward({}, 0), base::InternalError);
  network.forward(two, 1);
  BOOST_CHECK_THROW(network.backward(two, Mlp::Wanted::inputs), base::InternalError);
  BOOST_CHECK_THROW(Mlp({2}, Mlp::Output::linear, 1), base::InternalError);
  BOOST_CHECK_THROW(Mlp({2, 0, 1}, Mlp::Output::linear, 1), base::InternalError);
}

BOOST_AUTO_TEST_CASE(adam_steps_are_those_of_the_reference) {
  base::Rng rng(11);
  auto parameters = uniform(37, rng);  // not a multiple of the vector width
  reference::Mlp oracle({1, 1}, false, parameters);
  Adam adam(parameters.size(), 1e-2);
  for (int step = 0; step < 50; ++step) {
    const auto gradient = uniform(parameters.size(), rng);
    adam.step(parameters, gradient);
    oracle.adam({gradient.begin(), gradient.end()}, 1e-2);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    BOOST_TEST(std::abs(parameters[i] - oracle.parameters[i]) <= kFloatTolerance);
  }
}

BOOST_AUTO_TEST_CASE(a_soft_update_moves_by_tau) {
  std::vector<float> target = {0, 1, 2}, source = {1, 1, 4};
  soft_update(target, source, 0.25);
  BOOST_TEST((target == std::vector<float>{0.25f, 1.0f, 2.5f}));
}

BOOST_AUTO_TEST_SUITE_END()
