#include "trainer/qat.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>
#include <string>

#include "quant/base/error.hpp"
#include "quant/calibration_methods.hpp"
#include "quant/quantizer.hpp"
#include "tests/trainer/small_data.hpp"
#include "trainer/loss.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

constexpr quant::Shape kShape{1, 8, 8};
constexpr int kClasses = 3;

Network linear_network(int inputs, int outputs) {
  quant::NetworkBuilder net("linear", {inputs, 1, 1});
  net.linear("fc", net.input(), outputs, false);
  return {std::move(net).build(), 1, 2};
}

Network trained_resnet(TensorSource& source) {
  Network network(build_network("resnet8", kShape, kClasses), 1);
  TrainOptions options;
  options.epochs = 4;
  options.learning_rate = 0.05;
  train(network, source, options);
  return network;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(qat)

BOOST_AUTO_TEST_CASE(input_and_weights_are_rounded_to_their_levels) {
  Network network = linear_network(3, 2);
  network.parameters()[0].value = {0.9f, -0.2f, 0.31f, 0.0f, 0.05f, -0.07f};
  LayerQuantization q;
  q.weight_format = 3;  // levels -3..3
  q.activation_bits = 2;
  q.activation_signed = false;  // levels 0..3
  q.activation_scale = 0.5f;
  network.set_quantization(0, q);
  Tensor x(1, {3, 1, 1});
  const float values[] = {0.6f, 9.0f, -1.0f};  // become 0.5, 1.5 (clipped), 0 (clipped)
  std::copy_n(values, 3, x.data());
  const Tensor& y = network.forward(x, Mode::evaluate);
  const auto scales = network.quantized_weights(0).scales;
  BOOST_REQUIRE(scales.size() == 2u);
  BOOST_TEST(scales[0] == 0.3f, boost::test_tools::tolerance(1e-6f));
  // Row 0: 3, -1, 1 steps of 0.3; row 1: 0, 2, -3 steps of 0.07/3.
  BOOST_TEST(std::abs(y.data()[0] - (0.5f * 0.9f - 1.5f * 0.3f)) < 1e-6f);
  BOOST_TEST(y.data()[1] == 1.5f * 2.0f * 0.07f / 3.0f, boost::test_tools::tolerance(1e-5f));
}

BOOST_AUTO_TEST_CASE(gradients_pass_where_the_rounded_integer_is_in_range_and_nowhere_else) {
  quant::NetworkBuilder net("two", {2, 1, 1});
  net.linear("fc2", net.linear("fc1", net.input(), 4, false), 1, false);
  Network network(std::move(net).build(), 1, 1);
  // fc1 gives 0.6, 1.6 (in range after rounding), 2.6 (clipped) and -0.8 (clipped below).
  network.find_parameter("fc1.weight")->value = {0.6f, 0, 1.6f, 0, 2.6f, 0, -0.8f, 0};
  network.find_parameter("fc2.weight")->value = {1.0f, 2.0f, 3.0f, 4.0f};
  LayerQuantization q;
  q.activation_bits = 1;  // levels 0, 1 at scale 1: rounded 1, 2, 3, -1
  q.activation_signed = false;
  q.activation_scale = 1.1f;  // 0.6/1.1 -> 1, 1.6/1.1 -> 1, 2.6/1.1 -> 2, -0.8/1.1 -> -1
  network.set_quantization(1, q);
  Tensor x(1, {2, 1, 1}), dy(1, {1, 1, 1});
  x.data()[0] = 1.0f;
  x.data()[1] = 0.0f;
  dy.data()[0] = 1.0f;
  network.forward(x, Mode::train);
  network.backward(dy);
  const auto& first = network.find_parameter("fc1.weight")->gradient;
  BOOST_TEST(first[0] == 1.0f);
  BOOST_TEST(first[2] == 2.0f);
  BOOST_TEST(first[4] == 0.0f);
  BOOST_TEST(first[6] == 0.0f);
  // fc2 sees the quantized values.
  const auto& second = network.find_parameter("fc2.weight")->gradient;
  const float expected[] = {1.1f, 1.1f, 1.1f, 0.0f};
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(second[i] == expected[i]);
}

BOOST_AUTO_TEST_CASE(clipped_weights_get_no_gradient_but_the_one_on_the_edge_does) {
  Network network = linear_network(4, 1);
  network.parameters()[0].value = {1.0f, 0.5f, -0.52f, 0.1f};
  LayerQuantization q;
  q.weight_format = 3;
  q.weight_clip = {0.5f};  // threshold 0.5: 1.0 is clipped, 0.5 is the edge, -0.52 rounds to it
  network.set_quantization(0, q);
  Tensor x(1, {4, 1, 1}), dy(1, {1, 1, 1});
  x.fill(1.0f);
  dy.fill(1.0f);
  network.forward(x, Mode::train);
  network.backward(dy);
  const float expected[] = {0.0f, 1.0f, 1.0f, 1.0f};
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(network.parameters()[0].gradient[i] == expected[i]);
}

BOOST_AUTO_TEST_CASE(scales_follow_the_latent_weights) {
  Network network = linear_network(2, 1);
  network.parameters()[0].value = {0.7f, -0.1f};
  LayerQuantization q;
  q.weight_format = 4;
  network.set_quantization(0, q);
  BOOST_TEST(network.quantized_weights(0).scales[0] == 0.1f, boost::test_tools::tolerance(1e-6f));
  network.parameters()[0].value[0] = 1.4f;
  BOOST_TEST(network.quantized_weights(0).scales[0] == 0.2f, boost::test_tools::tolerance(1e-6f));
  network.parameters()[0].value = {0.0f, 0.0f};
  BOOST_TEST(network.quantized_weights(0).scales[0] == 1.0f);
  network.parameters()[0].value[1] = std::nanf("");
  BOOST_CHECK_THROW(network.quantized_weights(0), base::UserError);
}

BOOST_AUTO_TEST_CASE(out_of_range_quantization_names_the_layer) {
  Network network = linear_network(2, 1);
  const auto refused = [&](LayerQuantization q) {
    BOOST_CHECK_EXCEPTION(network.set_quantization(0, q), base::UserError,
                          [](const auto& e) { return std::string(e.what()).substr(0, 3) == "fc:"; });
  };
  LayerQuantization q;
  q.weight_format = 1;
  refused(q);
  q = {};
  q.activation_bits = 1;  // signed
  refused(q);
  q.activation_bits = 4;
  q.activation_scale = 0.0f;
  refused(q);
  q = {};
  q.weight_clip = {0.5f, 0.5f};
  refused(q);
}

BOOST_AUTO_TEST_CASE(calibration_covers_every_layer_and_bits_by_every_method) {
  const auto data = test::make_small_data(48, kShape, kClasses, 1);
  TensorSource source(data.images, data.labels, kClasses, 16);
  Network network = trained_resnet(source);
  for (const quant::CalibrationRow& row : quant::calibration_methods()) {
    quant::QuantizationOptions options;
    options.activation_calibration = row.kind;
    options.calibration_images = 40;
    const CalibrationTable table = calibrate(network, source, options);
    for (int layer = 0; layer < table.layers(); ++layer) {
      BOOST_TEST(table.is_signed(layer) == (layer == 0));
      for (int bits = table.is_signed(layer) ? 2 : 1; bits <= 8; ++bits)
        BOOST_TEST(table.scale(layer, bits) > 0.0f);
      BOOST_TEST(table.scale(layer, 8) < table.scale(layer, 2));
    }
  }
}

BOOST_AUTO_TEST_CASE(percentile_and_bins_of_the_options_reach_the_observers) {
  Network network = linear_network(1, 2);
  Tensor x(4, {1, 1, 1});
  const float values[] = {0.1f, 0.2f, 0.3f, 4.0f};
  std::copy_n(values, 4, x.data());
  TensorSource source(x, {0, 1, 0, 1}, 2, 4);
  quant::QuantizationOptions options;
  options.activation_calibration = quant::Calibration::percentile;
  options.percentile = 60;
  const auto threshold = [&] { return calibrate(network, source, options).scale(0, 8) * 127; };
  // The first half of the batch sets 40 bins up to 0.2, the second has them doubled four times, until 80
  // reach 4: of 0.08 each. 60 % of the values lie up to the bin of 0.3.
  options.histogram_bins = 40;
  BOOST_TEST(threshold() == 3 * 0.08f, boost::test_tools::tolerance(1e-5f));
  options.histogram_bins = 128;  // likewise, of 0.025
  BOOST_TEST(threshold() == 12 * 0.025f, boost::test_tools::tolerance(1e-5f));
  options.percentile = 100;
  BOOST_TEST(threshold() > 3.9f);
}

BOOST_AUTO_TEST_CASE(the_moving_average_goes_one_step_per_batch_of_the_source) {
  Network network = linear_network(1, 2);
  Tensor x(4, {1, 1, 1});
  const float values[] = {0.5f, 1.0f, 3.0f, 0.1f};  // batches of two: largest 1, then 3
  std::copy_n(values, 4, x.data());
  TensorSource source(x, {0, 1, 0, 1}, 2, 2);
  quant::QuantizationOptions options;
  options.activation_calibration = quant::Calibration::ema;
  BOOST_TEST(calibrate(network, source, options).scale(0, 8) == (1.0f + 0.01f * 2.0f) / 127,
             boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_CASE(min_max_calibration_gives_the_largest_value_the_highest_level) {
  Network network = linear_network(2, 2);
  Tensor x(3, {2, 1, 1});
  const float values[] = {0.5f, -2.54f, 1.0f, 0.1f, 0.0f, 0.3f};
  std::copy_n(values, 6, x.data());
  TensorSource source(x, {0, 1, 0}, 2, 2);
  quant::QuantizationOptions options;
  options.activation_calibration = quant::Calibration::minmax;
  const CalibrationTable table = calibrate(network, source, options);
  BOOST_TEST(table.scale(0, 8) == 0.02f, boost::test_tools::tolerance(1e-6f));
  x.data()[3] = std::nanf("");
  BOOST_CHECK_THROW(calibrate(network, source, options), base::UserError);
}

BOOST_AUTO_TEST_CASE(eight_bits_hardly_change_a_trained_network_and_removing_them_restores_it) {
  const auto data = test::make_small_data(96, kShape, kClasses, 1);
  TensorSource source(data.images, data.labels, kClasses, 32);
  Network network = trained_resnet(source);
  const double before = evaluate(network, source).cross_entropy;
  const quant::QuantizationOptions options;
  const CalibrationTable table = calibrate(network, source, options);
  apply_policy(network, quant::uniform_policy(network.info(), {8, 8}), table, options);
  const double eight = evaluate(network, source).cross_entropy;
  apply_policy(network, quant::uniform_policy(network.info(), {2, 2}), table, options);
  const double two = evaluate(network, source).cross_entropy;
  remove_quantization(network);
  const double after = evaluate(network, source).cross_entropy;
  BOOST_TEST(eight != before);
  BOOST_TEST(std::abs(eight - before) < 0.05);
  BOOST_TEST(two > eight);
  BOOST_TEST(after == before);
}

BOOST_AUTO_TEST_CASE(fine_tuning_brings_back_what_two_bits_took) {
  const auto data = test::make_small_data(96, kShape, kClasses, 1);
  TensorSource source(data.images, data.labels, kClasses, 32);
  Network network = trained_resnet(source);
  const quant::QuantizationOptions options;
  const CalibrationTable table = calibrate(network, source, options);
  apply_policy(network, quant::uniform_policy(network.info(), {2, 2}), table, options);
  recalibrate_batch_norm(network, source);
  const double before = evaluate(network, source).cross_entropy;
  TrainOptions fine_tuning;
  fine_tuning.epochs = 6;
  fine_tuning.learning_rate = 0.02;
  train(network, source, fine_tuning);
  BOOST_TEST(evaluate(network, source).cross_entropy < before);
}

BOOST_AUTO_TEST_CASE(recalibration_is_the_mean_of_the_batches_statistics) {
  quant::NetworkBuilder net("bn", {1, 1, 1});
  net.batch_norm("bn1", net.input());
  Network network(std::move(net).build(), 1, 2);
  Tensor x(4, {1, 1, 1});
  const float values[] = {1.0f, 3.0f, 10.0f,
                          20.0f};  // batches of two: means 2 and 15, unbiased variances 2 and 50
  std::copy_n(values, 4, x.data());
  network.find_buffer("bn1.running_mean")->value[0] = 77.0f;
  TensorSource source(x, {0, 0, 0, 0}, 1, 2);
  recalibrate_batch_norm(network, source);
  BOOST_TEST(network.find_buffer("bn1.running_mean")->value[0] == 8.5f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(network.find_buffer("bn1.running_var")->value[0] == 26.0f, boost::test_tools::tolerance(1e-6f));
  recalibrate_batch_norm(network, source, 2);
  BOOST_TEST(network.find_buffer("bn1.running_mean")->value[0] == 2.0f, boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_SUITE_END()
