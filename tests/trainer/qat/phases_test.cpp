#include "trainer/qat/phases.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>

#include "quant/base/error.hpp"
#include "tests/trainer/qat/house.hpp"
#include "tests/trainer/small_data.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/qat/choose_methods.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

constexpr quant::Shape kShape{1, 8, 8};
constexpr int kClasses = 3;

struct House {
  House()
      : data(test::make_small_data(32, kShape, kClasses, 1)),
        source(data.images, data.labels, kClasses, 8),
        network(build_network("cnn_small", kShape, kClasses), 1, 2),
        table(0) {
    recalibrate_batch_norm(network, source);
    options.calibration_images = 32;
    table = calibrate(network, source, options);
    policy = quant::uniform_policy(network.info(), {3, 4});
    policy.layers[0] = {8, 8};
    policy.layers[1].weight = *quant::find_format("ternary");
  }
  QatPhases phases() { return {policy, table, options, source.batches_per_epoch()}; }
  void apply() { apply_policy(network, policy, table, options); }

  test::SmallData data;
  TensorSource source;
  Network network;
  quant::QuantizationOptions options;
  CalibrationTable table;
  quant::Policy policy;
};

std::vector<std::vector<float>> statistics(const Network& network) {
  std::vector<std::vector<float>> all;
  for (const Buffer& buffer : network.buffers()) all.push_back(buffer.value);
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(qat_phases)

BOOST_AUTO_TEST_CASE(bits_fall_stage_by_stage_and_never_below_the_policys) {
  House house;
  house.options.progressive_bits = {8, 4};
  house.options.progressive_epochs = 0.5;  // two steps of four
  house.apply();
  const QatPhases phases = house.phases();
  const auto bits = [&](std::int64_t step) {
    phases.enter(house.network, step);
    const LayerQuantization& q = house.network.quantization(2);
    return quant::LayerFormats{q.weight_format, q.activation_bits};
  };
  BOOST_CHECK((bits(0) == quant::LayerFormats{8, 8}));
  BOOST_CHECK((bits(1) == quant::LayerFormats{8, 8}));
  BOOST_CHECK((bits(2) == quant::LayerFormats{4, 4}));
  BOOST_CHECK((bits(4) == quant::LayerFormats{3, 4}));
  BOOST_CHECK(phases.policy_at(0).layers[1].weight == house.policy.layers[1].weight);  // no integer
  BOOST_CHECK(phases.policy_at(100) == house.policy);
  phases.enter(house.network, 0);
  phases.leave(house.network);
  BOOST_CHECK(house.network.quantization(2).weight_format == quant::Format(3));
}

BOOST_AUTO_TEST_CASE(stages_that_would_learn_other_numbers_are_refused) {
  House house;
  house.network = Network(build_network("resnet8", kShape, kClasses), 1, 2);
  recalibrate_batch_norm(house.network, house.source);
  house.table = calibrate(house.network, house.source, house.options);
  house.options.activation_method = quant::ActivationMethod::lsq;
  house.options.progressive_bits = {8};
  house.policy = quant::uniform_policy(house.network.info(), {4, 4});
  house.apply();
  BOOST_CHECK_NO_THROW(house.phases().check(house.network));
  const auto shortcut = static_cast<std::size_t>(house.network.info().find_layer("layer2.0.downsample.conv"));
  house.policy.layers[shortcut].activation = 5;  // at 8 bits it would share the block's input
  house.apply();
  BOOST_CHECK_THROW(house.phases().check(house.network), base::UserError);
}

BOOST_AUTO_TEST_CASE(a_frozen_norm_keeps_its_statistics_and_trains_by_them) {
  House house;
  house.options.freeze_batch_norm_epochs = 0.25;  // after one step
  house.apply();
  const QatPhases phases = house.phases();
  Tensor gradient(32, {kClasses, 1, 1});
  gradient.fill(0.1f);
  const auto step = [&](std::int64_t number) {
    phases.enter(house.network, number);
    const Tensor& y = house.network.forward(house.data.images, Mode::train);
    std::vector<float> logits(y.data(), y.data() + y.elements());
    house.network.backward(gradient);
    return logits;
  };
  const auto before = statistics(house.network);
  step(0);
  const auto after = statistics(house.network);
  BOOST_TEST((after != before));
  const auto frozen = step(1);
  BOOST_TEST((statistics(house.network) == after));
  const Tensor& y = house.network.forward(house.data.images, Mode::evaluate);
  for (std::size_t i = 0; i < frozen.size(); ++i) BOOST_TEST(std::abs(frozen[i] - y.data()[i]) < 1e-4f);
  BOOST_TEST(phases.frozen_at(1));
  BOOST_TEST(!phases.frozen_at(0));
}

BOOST_AUTO_TEST_CASE(gradients_through_a_frozen_norm_are_those_of_a_constant_scale) {
  quant::NetworkBuilder net("bn", {2, 1, 1});
  net.linear("fc", net.batch_norm("bn", net.linear("in", net.input(), 3, false)), 1, false);
  Network network(std::move(net).build(), 1, 2);
  network.find_buffer("bn.running_var")->value = {4.0f, 1.0f, 0.25f};
  network.find_buffer("bn.running_mean")->value = {0.5f, 0.0f, -1.0f};
  network.find_parameter("bn.weight")->value = {1.0f, 2.0f, -1.0f};
  network.freeze_batch_norms(true);
  Tensor x(4, {2, 1, 1}), dy(4, {1, 1, 1});
  std::ranges::copy(test::normal_numbers(8, 1, 2), x.data());
  std::ranges::copy(test::normal_numbers(4, 1, 3), dy.data());
  network.forward(x, Mode::train);
  network.backward(dy);
  for (std::size_t c = 0; c < 3; ++c) {
    const double deviation =
        std::sqrt(static_cast<double>(network.find_buffer("bn.running_var")->value[c]) + 1e-5);
    const double scale = static_cast<double>(network.find_parameter("bn.weight")->value[c]) / deviation;
    const auto by = static_cast<double>(network.find_parameter("fc.weight")->value[c]);
    double of_gamma = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      double wanted = 0;
      for (int n = 0; n < 4; ++n)
        wanted += static_cast<double>(dy.data()[n]) * by * scale * static_cast<double>(x.sample(n)[i]);
      BOOST_TEST(std::abs(static_cast<double>(network.find_parameter("in.weight")->gradient[c * 2 + i]) -
                          wanted) < 1e-5);
    }
    for (int n = 0; n < 4; ++n) {
      const float* w = &network.find_parameter("in.weight")->value[c * 2];
      const double in = static_cast<double>(w[0] * x.sample(n)[0] + w[1] * x.sample(n)[1]);
      of_gamma += static_cast<double>(dy.data()[n]) * by *
                  (in - static_cast<double>(network.find_buffer("bn.running_mean")->value[c])) / deviation;
    }
    BOOST_TEST(std::abs(static_cast<double>(network.find_parameter("bn.weight")->gradient[c]) - of_gamma) <
               1e-5);
  }
}

BOOST_AUTO_TEST_CASE(folding_changes_nothing_with_a_scale_for_each_channel_and_something_with_one) {
  for (auto granularity : {quant::Granularity::channel, quant::Granularity::tensor}) {
    House house;
    house.options.weight_granularity = granularity;
    house.options.weight_calibration = quant::Calibration::minmax;
    std::ranges::copy(test::normal_numbers(8, 1, 3),
                      house.network.find_parameter("bn2.weight")->value.begin());
    const auto values = [&](quant::QatBatchNorm mode) {
      house.options.batch_norm = mode;
      house.policy.layers[1].weight = 4;
      house.apply();
      const QuantizedWeights weights = house.network.quantized_weights(1);
      const std::size_t row = weights.levels.size() / 8;
      std::vector<float> all;
      for (std::size_t i = 0; i < weights.levels.size(); ++i)
        all.push_back(static_cast<float>(weights.levels[i]) *
                      weights.scales[weights.scales.size() == 1 ? 0 : i * weights.scales.size() / (8 * row)]);
      return all;
    };
    const auto apart = values(quant::QatBatchNorm::recalibrated),
               folded = values(quant::QatBatchNorm::folded);
    double difference = 0;
    for (std::size_t i = 0; i < apart.size(); ++i)
      difference = std::max(difference, static_cast<double>(std::abs(apart[i] - folded[i])));
    BOOST_TEST((difference < 1e-6) == (granularity == quant::Granularity::channel));
  }
}

BOOST_AUTO_TEST_CASE(folded_weights_are_the_levels_of_their_product_with_the_norm) {
  House house;
  house.options.weight_granularity = quant::Granularity::tensor;
  house.options.weight_calibration = quant::Calibration::minmax;
  house.options.batch_norm = quant::QatBatchNorm::folded;
  house.policy.layers[1].weight = 4;
  std::vector<float>& gamma = house.network.find_parameter("bn2.weight")->value;
  gamma[0] = 0;  // counts for nothing, and is quantized as it is
  gamma[1] = -2;
  house.apply();
  const QuantizedWeights weights = house.network.quantized_weights(1);
  const Parameter& latent = *house.network.find_parameter("conv2.weight");
  const auto& variance = house.network.find_buffer("bn2.running_var")->value;
  const std::size_t channels = gamma.size(), row = latent.value.size() / channels;
  const auto factor = [&](std::size_t c) {
    const double k =
        std::abs(static_cast<double>(gamma[c])) / std::sqrt(static_cast<double>(variance[c]) + 1e-5);
    return k > 0 ? k : 1.0;
  };
  double largest = 0;
  for (std::size_t i = 0; i < latent.value.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(latent.value[i])) * factor(i / row));
  for (std::size_t i = 0; i < latent.value.size(); ++i) {
    const double steps = static_cast<double>(latent.value[i]) * factor(i / row) / (largest / 7);
    BOOST_TEST(std::abs(static_cast<double>(weights.levels[i]) - steps) < 0.5 + 1e-4);
    BOOST_TEST(static_cast<double>(weights.scales[i / row]) == largest / 7 / factor(i / row),
               boost::test_tools::tolerance(1e-5));
  }
}

BOOST_AUTO_TEST_CASE(methods_that_do_not_serve_a_layer_give_way_unless_they_were_named_for_it) {
  House house;
  house.options.weight_method = quant::WeightMethod::bwn;
  house.options.activation_method = quant::ActivationMethod::lsq;
  const auto chosen = [&](int layer, quant::LayerFormats formats) {
    LayerQuantization q;
    choose_methods(house.network.info(), layer, formats, house.options, q);
    return q;
  };
  BOOST_CHECK(chosen(1, {4, 4}).weight_method == quant::WeightMethod::straight_through);
  BOOST_CHECK(chosen(1, {*quant::find_format("binary"), 4}).weight_method == quant::WeightMethod::bwn);
  BOOST_CHECK(chosen(1, {4, 4}).activation_method == quant::ActivationMethod::lsq);
  BOOST_CHECK(chosen(0, {4, 4}).activation_method == quant::ActivationMethod::straight_through);  // images
  quant::LayerOverride own;
  own.layer = "conv2";
  own.weight_method = quant::WeightMethod::ttq;
  own.activation_format = 6;
  house.options.layers = {own};
  BOOST_CHECK_EXCEPTION(chosen(1, {4, 4}), base::UserError, [](const auto& e) {
    return std::string(e.what()).find("quantization.layers.conv2: weight_method ttq does not serve") == 0;
  });
  BOOST_CHECK(with_overrides(house.network.info(), house.policy, house.options).layers[1].activation ==
              quant::Format(6));
  house.options.layers[0].layer = "conv22";
  BOOST_CHECK_EXCEPTION(
      check_layer_names(house.network.info(), house.options), base::UserError,
      [](const auto& e) { return std::string(e.what()).find("did you mean 'conv2'?") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(ranges_follow_their_inputs_while_they_are_observed) {
  House house;
  house.options.observer_epochs = 0.5;
  house.apply();
  const QatPhases phases = house.phases();
  TrainHooks hooks;
  std::vector<float> seen;
  hooks.after_step = [&](std::int64_t step, double) {
    phases.enter(house.network, step);
    seen.push_back(house.network.find_buffer("conv2.input_range")->value[0]);
  };
  phases.enter(house.network, 0);
  TrainOptions training;
  training.epochs = 1;
  training.batch = 8;
  training.shards = 2;
  train(house.network, house.source, training, hooks);
  BOOST_TEST(seen[0] != seen[1]);
  BOOST_TEST(seen[1] == seen[2]);
  BOOST_TEST(seen[2] == seen[3]);
  BOOST_TEST(house.network.find_buffer("conv1.input_range") == nullptr);  // nobody goes back to the images
}

BOOST_AUTO_TEST_SUITE_END()
