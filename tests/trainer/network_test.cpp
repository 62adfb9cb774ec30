#include "trainer/network.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>
#include <string>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "tests/trainer/reference_network.hpp"
#include "tests/trainer/small_data.hpp"
#include "tests/trainer/varied_network.hpp"
#include "trainer/loss.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/optimizer.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using quant::Window;
using test::make_small_data;
using test::Numbers;
using test::Values;

constexpr quant::Shape kShape{2, 8, 8};
constexpr int kClasses = 4;

/// Everything that the plans of memory have to get right: shared gradients, residuals with and without ReLU,
/// a tensor read three times, an add of a tensor to itself, a batch norm without ReLU.
quant::NetworkInfo tangled() {
  quant::NetworkBuilder net("tangled", kShape);
  int x =
      net.relu("relu1", net.batch_norm("bn1", net.conv("conv1", net.input(), 4, Window::square(3, 1, 1))));
  int a = net.batch_norm("bn2", net.conv("conv2", x, 4, Window::square(3, 1, 1)));
  int b = net.relu("relu2", net.add("add1", a, x));
  int c = net.add("add2", net.conv("conv3", b, 4, Window::square(3, 1, 1), 4, true), x);
  int d = net.add("add3", c, c);
  int e = net.relu6("relu3", net.add("add4", d, b));
  int f = net.max_pool("pool1", e, Window::square(2, 2));
  int g = net.relu("relu4", net.conv("conv4", f, 5, Window::square(1), 1, true));
  int h = net.average_pool("pool2", net.batch_norm("bn3", g), Window::square(2, 2));
  net.linear("fc", net.flatten("flatten", h), kClasses);
  return std::move(net).build();
}

/// Products of tensors of different sizes, one of a tensor with itself, one of the images, and a tensor that
/// is an operand of two of them and of an addition.
quant::NetworkInfo attentive() {
  quant::NetworkBuilder net("attentive", kShape);
  int x = net.position("position", net.conv("patches", net.input(), 4, Window::square(4, 4), 1, true));
  const int query = net.layer_norm("norm1", x);
  const int key = net.conv("key", net.max_pool("pool", query, {1, 2, 1, 2}), 4, Window::square(1));
  int shares = net.softmax("softmax", net.matmul("scores", query, key, 2, true, 0.7f), 2);
  x = net.add("add1", net.gelu("gelu", net.matmul("mix", shares, key, 2, false)), query);
  const int square = net.matmul("square", x, x, 1, true, 0.5f);  // 4x2x2
  const int pixels =
      net.matmul("images", net.conv("wide", square, 64, Window::square(1)), net.input(), 1, false);
  x = net.add("add2", net.conv("last", pixels, 4, Window::square(1), 1, true), x);
  net.linear("fc", net.flatten("flatten", net.layer_norm("norm2", x)), kClasses);
  return std::move(net).build();
}

Numbers numbers_of(const Network& network) {
  Numbers numbers;
  for (const Parameter& p : network.parameters()) numbers[p.name] = Values(p.value.begin(), p.value.end());
  for (const Buffer& b : network.buffers()) numbers[b.name] = Values(b.value.begin(), b.value.end());
  return numbers;
}

double reference_loss(const quant::NetworkInfo& info, const test::SmallData& data, const Numbers& numbers) {
  const Values images(data.images.data(), data.images.data() + data.images.elements());
  const Values logits = test::reference_forward(info, data.images.batch(), images, numbers, Mode::train);
  double loss = 0.0;
  for (int n = 0; n < data.images.batch(); ++n) {
    const double* z = logits.data() + n * kClasses;
    double sum = 0.0;
    for (int c = 0; c < kClasses; ++c) sum += std::exp(z[c]);
    loss += std::log(sum) - z[data.labels[static_cast<std::size_t>(n)]];
  }
  return loss / data.images.batch();
}

/// All parameters, buffers and the last logits after five steps, as bytes.
std::string bytes_after_training(int threads, const quant::NetworkInfo& info, bool quantized) {
  base::set_thread_count(threads);
  Network network(info, 7);
  if (quantized)
    for (int i = 0; i < static_cast<int>(info.layers.size()); ++i) {
      LayerQuantization q;
      q.weight_format = q.activation_bits = 4;
      q.activation_signed = info.layers[static_cast<std::size_t>(i)].input_signed;
      q.activation_scale = 0.3f;
      network.set_quantization(i, q);
    }
  const auto data = make_small_data(22, info.nodes[0].output, kClasses, 3);
  const auto optimizer = make_optimizer({});
  Tensor gradient;
  for (int step = 0; step < 5; ++step) {
    softmax_cross_entropy(network.forward(data.images, Mode::train), data.labels, 0.1, &gradient);
    network.backward(gradient);
    optimizer->step(network.parameters(), 0.05);
  }
  std::string bytes;
  const auto append = [&](const float* values, std::size_t count) {
    bytes.append(reinterpret_cast<const char*>(values), count * sizeof(float));
  };
  for (const Parameter& p : network.parameters()) append(p.value.data(), p.value.size());
  for (const Buffer& b : network.buffers()) append(b.value.data(), b.value.size());
  const Tensor& logits = network.forward(data.images, Mode::evaluate);
  append(logits.data(), static_cast<std::size_t>(logits.elements()));
  base::set_thread_count(0);
  return bytes;
}

bool says(const base::UserError& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(network)

void check_gradients(quant::NetworkInfo info) {
  constexpr double kStep = 1e-5, kTolerance = 2e-4;  // fp32 sums through ten layers
  Network network(std::move(info), 5, 3);
  const auto data = make_small_data(7, kShape, kClasses, 1);
  Tensor gradient;
  const double loss =
      softmax_cross_entropy(network.forward(data.images, Mode::train), data.labels, 0.0, &gradient);
  Numbers numbers = numbers_of(network);
  BOOST_TEST(loss == reference_loss(network.info(), data, numbers), boost::test_tools::tolerance(1e-5));
  network.backward(gradient);
  for (const Parameter& p : network.parameters())
    for (std::size_t i = 0; i < p.value.size(); i += 1 + p.value.size() / 20) {
      double& value = numbers[p.name][i];
      const double kept = value;
      value = kept + kStep;
      const double above = reference_loss(network.info(), data, numbers);
      value = kept - kStep;
      const double below = reference_loss(network.info(), data, numbers);
      value = kept;
      const double expected = (above - below) / (2 * kStep);
      if (std::abs(static_cast<double>(p.gradient[i]) - expected) > kTolerance)
        BOOST_ERROR(p.name << "[" << i << "]: got " << p.gradient[i] << ", expected " << expected);
    }
}

BOOST_AUTO_TEST_CASE(gradients_of_a_tangled_graph_agree_with_numeric_ones_of_float64) {
  check_gradients(tangled());
}

BOOST_AUTO_TEST_CASE(gradients_of_attention_whose_tensors_have_several_readers_do_too) {
  check_gradients(attentive());
}

BOOST_AUTO_TEST_CASE(gradients_of_gates_branches_and_functions_do_too) {
  check_gradients(test::varied_network(kShape, kClasses));
}

BOOST_AUTO_TEST_CASE(evaluation_uses_the_running_statistics_and_agrees_with_float64) {
  constexpr double kTolerance = 1e-4;
  Network network(tangled(), 5);
  const auto data = make_small_data(9, kShape, kClasses, 2);
  for (int i = 0; i < 3; ++i) network.forward(data.images, Mode::train);
  const Tensor& logits = network.forward(data.images, Mode::evaluate);
  const Values images(data.images.data(), data.images.data() + data.images.elements());
  const Values expected =
      test::reference_forward(network.info(), 9, images, numbers_of(network), Mode::evaluate);
  for (std::size_t i = 0; i < expected.size(); ++i)
    BOOST_TEST(std::abs(static_cast<double>(logits.data()[i]) - expected[i]) < kTolerance);
}

BOOST_AUTO_TEST_CASE(running_statistics_move_by_a_tenth_towards_mean_and_unbiased_variance) {
  quant::NetworkBuilder net("bn", {1, 1, 1});
  net.batch_norm("bn1", net.input());
  Network network(std::move(net).build(), 1, 2);
  Tensor images(4, {1, 1, 1});
  const float values[] = {1.0f, 2.0f, 3.0f, 6.0f};  // mean 3, unbiased variance 14/3
  std::copy_n(values, 4, images.data());
  network.forward(images, Mode::train);
  BOOST_TEST(network.find_buffer("bn1.running_mean")->value[0] == 0.3f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(network.find_buffer("bn1.running_var")->value[0] == 0.9f + 0.1f * 14.0f / 3.0f,
             boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_CASE(batch_norm_loses_nothing_when_the_mean_is_far_from_zero) {
  quant::NetworkBuilder net("bn", {1, 8, 8});
  net.batch_norm("bn1", net.input());
  Network network(std::move(net).build(), 1, 2);
  Tensor images(4, {1, 8, 8});
  for (std::int64_t i = 0; i < images.elements(); ++i)
    images.data()[i] = 10000.0f + static_cast<float>(i % 2);
  const Tensor& y = network.forward(images, Mode::train);
  const float expected = 1.0f / std::sqrt(1.0f + 4e-5f);
  for (std::int64_t i = 0; i < y.elements(); ++i)
    BOOST_TEST(std::abs(y.data()[i]) == expected, boost::test_tools::tolerance(1e-5f));
}

BOOST_AUTO_TEST_CASE(training_is_the_same_to_the_bit_on_any_number_of_threads) {
  const auto resnet = build_network("resnet8", {1, 12, 12}, kClasses);
  for (const auto& [info, quantized] : {std::pair{tangled(), false}, {resnet, false}, {resnet, true}}) {
    const std::string one = bytes_after_training(1, info, quantized);
    for (int threads : {2, 8}) BOOST_TEST((one == bytes_after_training(threads, info, quantized)));
  }
}

BOOST_AUTO_TEST_CASE(a_clone_computes_the_same_and_lives_its_own_life) {
  Network network(tangled(), 5);
  LayerQuantization q;
  q.weight_format = 3;
  network.set_quantization(1, q);
  const auto data = make_small_data(6, kShape, kClasses, 1);
  network.forward(data.images, Mode::train);
  Network copy = network.clone();
  Tensor expected;
  expected.copy_from(network.forward(data.images, Mode::evaluate));
  const Tensor& got = copy.forward(data.images, Mode::evaluate);
  BOOST_TEST(std::memcmp(got.data(), expected.data(),
                         sizeof(float) * static_cast<std::size_t>(got.elements())) == 0);
  copy.parameters()[0].value[0] += 1.0f;
  BOOST_TEST(copy.parameters()[0].value[0] != network.parameters()[0].value[0]);
}

BOOST_AUTO_TEST_CASE(batches_may_be_smaller_than_the_shards_and_change_from_call_to_call) {
  Network network(build_network("resnet8", {3, 8, 8}, kClasses), 5, 8);
  Tensor gradient;
  for (int batch : {5, 1, 16, 3, 16}) {
    const auto data = make_small_data(batch, {3, 8, 8}, kClasses, 1);
    const double loss =
        softmax_cross_entropy(network.forward(data.images, Mode::train), data.labels, 0.0, &gradient);
    network.backward(gradient);
    BOOST_TEST(std::isfinite(loss));
    BOOST_TEST(network.forward(data.images, Mode::evaluate).batch() == batch);
  }
}

BOOST_AUTO_TEST_CASE(an_image_alone_is_refused_where_a_batch_norm_would_see_one_value) {
  quant::NetworkBuilder net("bn", {3, 1, 1});
  net.batch_norm("bn1", net.input());
  Network network(std::move(net).build(), 1);
  Tensor one(1, {3, 1, 1});
  one.fill(1.0f);
  BOOST_CHECK_EXCEPTION(network.forward(one, Mode::train), base::UserError,
                        [](const auto& e) { return says(e, "single value per channel"); });
  BOOST_TEST(network.forward(one, Mode::evaluate).batch() == 1);
}

BOOST_AUTO_TEST_CASE(wrong_images_and_graphs_that_cannot_run_are_named) {
  Network network(tangled(), 5);
  Tensor wrong(2, {1, 8, 8}), none(0, kShape);
  BOOST_CHECK_EXCEPTION(network.forward(wrong, Mode::evaluate), base::UserError, [](const auto& e) {
    return says(e, "images are 1x8x8, but the network's input is 2x8x8");
  });
  BOOST_CHECK_THROW(network.forward(none, Mode::evaluate), base::UserError);

  quant::NetworkBuilder dead("dead", kShape);
  dead.relu("unread", dead.input());
  dead.flatten("out", dead.input());
  BOOST_CHECK_EXCEPTION(Network(std::move(dead).build(), 1), base::UserError,
                        [](const auto& e) { return says(e, "unread"); });

  quant::NetworkBuilder direct("direct", kShape);
  direct.linear("fc", direct.input(), 3);
  BOOST_CHECK_EXCEPTION(Network(std::move(direct).build(), 1), base::UserError, [](const auto& e) {
    return says(e, "fc: a linear layer reads features, got 2x8x8");
  });
}

BOOST_AUTO_TEST_CASE(observers_see_every_layers_input_in_order) {
  Network network(tangled(), 5);
  const auto data = make_small_data(6, kShape, kClasses, 1);
  std::vector<std::int64_t> seen(network.info().layers.size());
  std::vector<float> first_layer;
  network.forward_observed(data.images, [&](int layer, const float* values, std::int64_t count) {
    seen[static_cast<std::size_t>(layer)] += count;
    if (layer == 0) first_layer.insert(first_layer.end(), values, values + count);
  });
  for (std::size_t i = 0; i < seen.size(); ++i)
    BOOST_TEST(seen[i] == 6 * network.info().layers[i].input.elements());
  BOOST_TEST(std::memcmp(first_layer.data(), data.images.data(), first_layer.size() * sizeof(float)) == 0);
}

BOOST_AUTO_TEST_CASE(fresh_convolutions_are_normal_by_fan_out_and_depend_on_the_seed_alone) {
  const auto info = build_network("resnet20", {1, 32, 32}, 10);
  const Network a(info, 1), b(info, 1), c(info, 2);
  const Parameter& weight = *a.find_parameter("layer3.1.conv1.weight");
  double squares = 0.0;
  for (float w : weight.value) squares += static_cast<double>(w) * static_cast<double>(w);
  const double variance = squares / static_cast<double>(weight.value.size());
  BOOST_TEST(variance == 2.0 / (64 * 9),
             boost::test_tools::tolerance(0.03));  // 36,864 draws: 0.7 % deviation
  BOOST_TEST((weight.value == b.find_parameter(weight.name)->value));
  BOOST_TEST((weight.value != c.find_parameter(weight.name)->value));
  BOOST_TEST(weight.decays);
  BOOST_TEST(!a.find_parameter("layer3.1.bn1.weight")->decays);
  BOOST_TEST((weight.shape == std::vector<int>{64, 64, 3, 3}));
}

BOOST_AUTO_TEST_SUITE_END()
