// Whole networks in every arithmetic.

#include "trainer/arithmetic.hpp"

#include <fmt/format.h>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "quant/base/parallel.hpp"
#include "tests/trainer/small_data.hpp"
#include "trainer/integer_evaluation.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/qat.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

constexpr quant::Shape kShape{1, 12, 12};
constexpr int kClasses = 4;
constexpr Arithmetic kFp32{ForwardArithmetic::fp32, BackwardArithmetic::fp32};
constexpr Arithmetic kFast{ForwardArithmetic::integer, BackwardArithmetic::bf16};

Network trained(const std::string& name, BatchSource& source, std::uint64_t seed) {
  Network network(build_network(name, kShape, kClasses), seed);
  TrainOptions options;
  options.epochs = 3;
  options.learning_rate = 0.05;
  train(network, source, options);
  return network;
}

void quantize(Network& network, BatchSource& source, int bits) {
  const quant::QuantizationOptions options;
  const CalibrationTable table = calibrate(network, source, options);
  quant::Policy policy = quant::uniform_policy(network.info(), {bits, bits});
  policy.layers.front() = policy.layers.back() = {8, 8};
  apply_policy(network, policy, table, options);
}

/// What every layer reads, in evaluation.
std::vector<std::vector<float>> layer_inputs(Network& network, const Tensor& images) {
  std::vector<std::vector<float>> inputs(network.info().layers.size());
  network.forward_observed(images, [&](int layer, const float* values, std::int64_t count) {
    if (static_cast<std::size_t>(layer) < inputs.size())
      inputs[static_cast<std::size_t>(layer)].insert(inputs[static_cast<std::size_t>(layer)].end(), values,
                                                     values + count);
  });
  return inputs;
}

double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(arithmetic)

// One product differs by rounding alone (layers/product_arithmetic_test.cpp). Behind it an input that lies on
// the edge between two levels may fall to either, and make a difference of a level in what comes after.
BOOST_AUTO_TEST_CASE(every_layer_of_an_integer_forward_reads_what_the_fake_quantized_one_gives_it) {
  constexpr double kBound = 0.02;
  const test::SmallData data = test::make_small_data(128, kShape, kClasses, 5);
  TensorSource source(data.images, data.labels, kClasses, 32);
  for (const char* name : {"resnet8", "cnn_small", "mobilenet_v2_small"})
    for (int bits : {2, 4, 8}) {
      Network network = trained(name, source, 1);
      quantize(network, source, bits);
      network.set_arithmetic(kFp32);
      const auto expected = layer_inputs(network, data.images);
      network.set_arithmetic(kFast);
      const auto got = layer_inputs(network, data.images);
      for (std::size_t layer = 0; layer < expected.size(); ++layer)
        BOOST_TEST(relative_difference(got[layer], expected[layer]) < kBound,
                   name << ", " << bits << " bits, input of " << network.info().layers[layer].name);
    }
}

BOOST_AUTO_TEST_CASE(fine_tuning_ends_as_well_in_integers_and_bf16_as_in_fp32) {
  constexpr int kSeeds = 5;
  const test::SmallData data = test::make_small_data(256, kShape, kClasses, 5);
  const test::SmallData unseen = test::make_small_data(512, kShape, kClasses, 6);
  TensorSource source(data.images, data.labels, kClasses, 32);
  TensorSource validation(unseen.images, unseen.labels, kClasses, 128);
  double sum = 0, squares = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Network start = trained("resnet8", source, seed);
    const auto finetuned = [&](Arithmetic arithmetic) {
      Network network = start.clone();
      quantize(network, source, 2);
      TrainOptions options;
      options.epochs = 2;
      options.learning_rate = 0.01;
      options.arithmetic = arithmetic;
      train(network, source, options);
      return evaluate(network, validation).accuracy;
    };
    const double difference = finetuned(kFast) - finetuned(kFp32);
    sum += difference;
    squares += difference * difference;
  }
  const double mean = sum / kSeeds;
  const double deviation = std::sqrt(std::max(0.0, squares / kSeeds - mean * mean) / (kSeeds - 1));
  // Within two standard errors of the mean, or the worth of two images.
  BOOST_TEST(std::abs(mean) <= std::max(2 * deviation, 2.0 / 512));
}

BOOST_AUTO_TEST_CASE(training_in_integers_and_bf16_does_not_depend_on_the_number_of_threads) {
  const test::SmallData data = test::make_small_data(96, kShape, kClasses, 5);
  TensorSource source(data.images, data.labels, kClasses, 32);
  std::vector<std::vector<float>> weights;
  for (int threads : {1, 2, 3}) {
    base::set_thread_count(threads);
    Network network = trained("resnet8", source, 1);
    quantize(network, source, 4);
    TrainOptions options;
    options.epochs = 1;
    options.arithmetic = kFast;
    train(network, source, options);
    weights.emplace_back();
    for (const Parameter& p : network.parameters())
      weights.back().insert(weights.back().end(), p.value.begin(), p.value.end());
  }
  base::set_thread_count(0);
  BOOST_TEST((weights[0] == weights[1]));
  BOOST_TEST((weights[0] == weights[2]));
}

// oneDNN before 3.1 chooses the blocking of a convolution through a variable that all threads share, and that
// depends on the operands' type: kernels of one type must not be chosen while another thread chooses one of
// another. Each batch size is a kernel of its own, made once in a process.
BOOST_AUTO_TEST_CASE(kernels_that_several_threads_choose_at_once_compute_what_they_should) {
  constexpr int kPairs = 400;
  constexpr quant::Shape kSmall{1, 5, 5};
  quant::NetworkBuilder builder("chain", kSmall);
  int x = builder.input();
  for (int i = 0; i < 12; ++i)  // three channels: a blocking for another type goes wrong at once
    x = builder.relu(fmt::format("relu{}", i),
                     builder.conv(fmt::format("conv{}", i), x, 3, quant::Window::square(3, 1, 1)));
  builder.linear("fc", builder.flatten("flatten", x), kClasses);
  base::set_thread_count(4);
  const test::SmallData data = test::make_small_data(kPairs + 1, kSmall, kClasses, 5);
  TensorSource source(data.images, data.labels, kClasses, 32);
  Network real(std::move(builder).build(), 1);
  real.set_shards(1);
  Network integers = real.clone();
  quantize(integers, source, 8);
  integers.set_arithmetic(kFast);
  const auto logits_of_first = [&](const Network& network, int images) {
    Network own = network.clone();
    Tensor batch(images, kSmall);
    std::copy_n(data.images.data(), batch.elements(), batch.data());
    const Tensor& logits = own.forward(batch, Mode::evaluate);
    return std::vector<float>(logits.data(), logits.data() + kClasses);
  };
  std::vector<std::vector<float>> found(2 * kPairs);
  base::parallel_for(2 * kPairs, [&](int i) {
    const base::Sequential alone;
    found[static_cast<std::size_t>(i)] = logits_of_first(i % 2 == 0 ? real : integers, 2 + i / 2);
  });
  base::set_thread_count(0);
  for (const int kind : {0, 1}) {
    const auto expected = logits_of_first(kind == 0 ? real : integers, 1);
    for (std::size_t i = static_cast<std::size_t>(kind); i < found.size(); i += 2)
      BOOST_TEST(relative_difference(found[i], expected) < 1e-5, "batch of " << 2 + i / 2);
  }
}

BOOST_AUTO_TEST_CASE(a_quantized_network_is_evaluated_by_its_integer_network_where_it_asks_for_integers) {
  const test::SmallData data = test::make_small_data(100, kShape, kClasses, 5);
  TensorSource source(data.images, data.labels, kClasses, 32);
  Network network = trained("resnet8", source, 1);
  network.set_arithmetic(kFast);
  BOOST_TEST(!IntegerEvaluation::serves(network));  // nothing is quantized
  quantize(network, source, 4);
  BOOST_TEST(IntegerEvaluation::serves(network));
  const EvaluationResult integers = evaluate(network, source);
  network.set_arithmetic(kFp32);
  BOOST_TEST(!IntegerEvaluation::serves(network));
  const EvaluationResult floats = evaluate(network, source);
  BOOST_TEST(integers.images == 100);
  BOOST_TEST(std::abs(integers.accuracy - floats.accuracy) <= 0.01);
  BOOST_TEST(std::abs(integers.cross_entropy - floats.cross_entropy) < 0.02);
}

BOOST_AUTO_TEST_SUITE_END()
