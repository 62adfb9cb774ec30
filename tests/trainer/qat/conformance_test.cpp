// What holds of every row of both tables.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>

#include "quant/base/error.hpp"
#include "quant/plan.hpp"
#include "quant/qat_methods.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/qat/house.hpp"
#include "tests/trainer/small_data.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/deployed_model.hpp"
#include "trainer/layers/weight_quantizer.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/qat.hpp"
#include "trainer/qat/activation_method.hpp"
#include "trainer/qat/choose_methods.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using quant::ActivationMethod;
using quant::WeightMethod;

namespace {

constexpr quant::Shape kShape{1, 8, 8};
constexpr int kClasses = 3;

/// A little network under one method for weights and one for inputs.
struct Trained {
  Trained(WeightMethod weights, ActivationMethod inputs, const char* name = "cnn_small")
      : data(test::make_small_data(32, kShape, kClasses, 1)),
        source(data.images, data.labels, kClasses, 16),
        network(build_network(name, kShape, kClasses), 1, 2) {
    options.weight_method = weights;
    options.activation_method = inputs;
    options.calibration_images = 32;
    recalibrate_batch_norm(network, source);
    const int bits = inputs == ActivationMethod::binary ? 1 : 4;
    policy = quant::uniform_policy(network.info(), {test::format_for(weights), bits});
    policy.layers.front().activation = 8;
    if (weights == WeightMethod::straight_through) policy.layers.back().weight = 8;
    apply_policy(network, policy, calibrate(network, source, options), options);
  }
  void train(double epochs = 1) {
    TrainOptions training;
    training.epochs = epochs;
    training.batch = 16;
    training.shards = 2;
    training.learning_rate = 0.01;
    trainer::train(network, source, training);
  }
  std::vector<float> logits() { return logits_of(network); }
  std::vector<float> logits_of(Network& of) {
    const Tensor& y = of.forward(data.images, Mode::evaluate);
    return {y.data(), y.data() + y.elements()};
  }

  test::SmallData data;
  TensorSource source;
  Network network;
  quant::QuantizationOptions options;
  quant::Policy policy;
};

bool moved(const Network& network, const std::vector<Parameter>& before) {
  for (std::size_t i = network.own_parameters(); i < before.size(); ++i)
    if (network.parameters()[i].value == before[i].value) return false;
  return true;
}

/// Every weight method with straight_through inputs, and every activation method with lsq weights.
template <typename Check>
void for_all_methods(const Check& check) {
  for (const quant::WeightMethodRow& row : quant::weight_methods())
    BOOST_TEST_CONTEXT("weights: " << row.name) { check(row.method, ActivationMethod::straight_through); }
  for (const quant::ActivationMethodRow& row : quant::activation_methods())
    BOOST_TEST_CONTEXT("inputs: " << row.name) { check(WeightMethod::lsq, row.method); }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(qat_conformance)

BOOST_AUTO_TEST_CASE(rows_are_in_the_order_of_their_enumerations) {
  for (const auto& row : quant::weight_methods()) BOOST_TEST(&quant::weight_method_row(row.method) == &row);
  for (const auto& row : quant::activation_methods())
    BOOST_TEST(&quant::activation_method_row(row.method) == &row);
}

BOOST_AUTO_TEST_CASE(learned_numbers_are_trained_and_survive_clones_and_checkpoints) {
  const tests::TemporaryFolder folder;
  for_all_methods([&](WeightMethod weights, ActivationMethod inputs) {
    Trained trained(weights, inputs);
    const std::vector<Parameter> before = trained.network.parameters();
    trained.train();
    BOOST_TEST(moved(trained.network, before));
    const std::vector<float> logits = trained.logits();
    for (float y : logits) BOOST_TEST(std::isfinite(y));
    Network clone = trained.network.clone();
    BOOST_TEST(trained.logits_of(clone) == logits, boost::test_tools::per_element());
    save_checkpoint(folder / "a.h5", trained.network, {});
    Network loaded(trained.network.info(), 99, 2);
    loaded.set_arithmetic(trained.network.arithmetic());
    load_checkpoint(folder / "a.h5", loaded);
    BOOST_TEST(trained.logits_of(loaded) == logits, boost::test_tools::per_element());
    // Calibrating sets quantization aside and brings all of it back.
    calibrate(trained.network, trained.source, trained.options);
    BOOST_TEST(trained.logits() == logits, boost::test_tools::per_element());
    remove_quantization(loaded);
    BOOST_TEST(loaded.parameters().size() == loaded.own_parameters());
    BOOST_TEST(loaded.buffers().size() == loaded.own_buffers());
  });
}

BOOST_AUTO_TEST_CASE(a_training_goes_on_from_a_checkpoint_to_the_same_bits) {
  const tests::TemporaryFolder folder;
  TrainOptions training;
  training.epochs = 2;
  training.batch = 16;
  training.shards = 2;
  training.learning_rate = 0.01;
  for (auto [weights, inputs] : {std::pair{WeightMethod::lsq, ActivationMethod::lsq},
                                 std::pair{WeightMethod::kmeans, ActivationMethod::pact}}) {
    Trained trained(weights, inputs);
    TrainHooks hooks;
    hooks.after_epoch = [&](const TrainState& state) {
      if (state.step == 2) save_checkpoint(folder / "a.h5", trained.network, {state, 1, "x"});
    };
    train(trained.network, trained.source, training, hooks);
    Network second(trained.network.info(), 5, 2);
    const Checkpoint checkpoint = load_checkpoint(folder / "a.h5", second, "x");
    train(second, trained.source, training, {}, checkpoint.state);
    BOOST_TEST(trained.logits_of(second) == trained.logits(), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(deployed_levels_and_scales_give_back_the_values_of_training) {
  for (const quant::WeightMethodRow& row : quant::weight_methods()) {
    Trained trained(row.method, ActivationMethod::straight_through);
    trained.train();
    for (int layer = 0; layer < static_cast<int>(trained.network.info().layers.size()); ++layer) {
      const std::string name = trained.network.info().layers[static_cast<std::size_t>(layer)].name;
      const Parameter& weight = *trained.network.find_parameter(name + ".weight");
      WeightQuantizer quantizer;
      quantizer.update(weight, trained.network.quantization(layer));
      const QuantizedWeights deployed = trained.network.quantized_weights(layer);
      const std::size_t row_size = weight.value.size() / static_cast<std::size_t>(weight.shape[0]);
      for (std::size_t i = 0; i < weight.value.size(); ++i) {
        const float value = deployed.levels.empty()
                                ? deployed.floats[i]
                                : static_cast<float>(deployed.levels[i]) *
                                      deployed.scales[deployed.scales.size() == 1 ? 0 : i / row_size];
        BOOST_TEST(std::abs(value - quantizer.values()[i]) <= 1e-6f * std::abs(value));
      }
      if (deployed.encoded)
        BOOST_TEST(quant::decode(*deployed.encoded) ==
                       std::vector(quantizer.values(), quantizer.values() + weight.value.size()),
                   boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_gives_integers_is_deployed_and_the_rest_refused_with_its_name) {
  for (const quant::ActivationMethodRow& row : quant::activation_methods()) {
    Trained trained(WeightMethod::lsq, row.method, "resnet8");
    trained.train();
    const bool dynamic = row.method == ActivationMethod::bitnet;
    const quant::Plan plan =
        quant::lower(trained.network.info(), trained.policy, quant::first_capable_kernel(),
                     dynamic ? quant::ActivationScales::dynamic : quant::ActivationScales::fixed);
    if (row.integers || dynamic)
      BOOST_CHECK_NO_THROW(deploy(trained.network, plan));
    else
      BOOST_CHECK_EXCEPTION(deploy(trained.network, plan), base::UserError, [](const auto& e) {
        return std::string(e.what()).find("layer1.0.conv1: activation_method lsq_plus") == 0;
      });
  }
}

BOOST_AUTO_TEST_CASE(signs_of_signed_inputs_are_for_layers_that_name_them_and_not_deployed) {
  Network network(test::two_layers(), 1);
  quant::QuantizationOptions options;
  options.activation_method = ActivationMethod::binary;
  LayerQuantization q;
  choose_methods(network.info(), 1, {4, 2}, options, q);
  BOOST_CHECK(q.activation_method == ActivationMethod::straight_through);
  quant::LayerOverride own;
  own.layer = "second";
  own.activation_method = ActivationMethod::binary;
  options.layers = {own};
  choose_methods(network.info(), 1, {4, 2}, options, q);
  BOOST_CHECK(q.activation_method == ActivationMethod::binary);
  q.weight_format = 4;
  q.activation_bits = 2;
  network.set_quantization(1, q);
  const quant::Plan plan = quant::lower(network.info(), {{{32, 32}, {4, 2}}});
  BOOST_CHECK_EXCEPTION(deploy(network, plan), base::UserError, [](const auto& e) {
    return std::string(e.what()).find("second: activation_method binary") == 0;
  });
}

BOOST_AUTO_TEST_CASE(layers_that_read_the_same_tensor_share_its_step_and_add_to_its_gradient) {
  Trained trained(WeightMethod::lsq, ActivationMethod::lsq, "resnet8");
  BOOST_TEST(trained.network.find_parameter("layer2.0.conv1.input_step") != nullptr);
  BOOST_TEST(trained.network.find_parameter("layer2.0.downsample.conv.input_step") == nullptr);
  const auto at = [&](const char* name) -> const LayerQuantization& {
    return trained.network.quantization(trained.network.info().find_layer(name));
  };
  const LayerQuantization &conv = at("layer2.0.conv1"), &shortcut = at("layer2.0.downsample.conv");
  BOOST_TEST(input_scale(conv) == input_scale(shortcut));
  trained.train(0.5);
  const double sum = conv.learned.input_gradient->size + shortcut.learned.input_gradient->size;
  BOOST_TEST(shortcut.learned.input_gradient->size != 0.0);
  BOOST_TEST(conv.learned.input_step->gradient[0] == static_cast<float>(sum));
}

BOOST_AUTO_TEST_CASE(zeros_and_constants_are_quantized_and_numbers_that_are_not_finite_refused) {
  for (const quant::WeightMethodRow& row : quant::weight_methods()) BOOST_TEST_CONTEXT(row.name) {
      for (float constant : {0.0f, 0.25f}) {
        Network network(test::two_layers(), 1);
        Parameter& weight = *network.find_parameter("second.weight");
        std::ranges::fill(weight.value, constant);
        LayerQuantization q;
        q.weight_format = test::format_for(row.method);
        q.weight_method = row.method;
        network.set_quantization(1, q);
        WeightQuantizer quantizer;
        quantizer.update(weight, network.quantization(1));
        for (std::size_t i = 0; i < weight.value.size(); ++i) {
          BOOST_TEST(std::isfinite(quantizer.values()[i]));
          // The one binary method without a scale, and the two grids that are not fitted to magnitudes.
          const bool fitted = row.method != WeightMethod::binary_connect &&
                              row.method != WeightMethod::dorefa && row.method != WeightMethod::lsq &&
                              row.method != WeightMethod::lsq_plus;
          if (fitted) BOOST_TEST(std::abs(quantizer.values()[i] - constant) < 1e-6f);
        }
        weight.gradient.assign(weight.value.size(), 1.0f);
        quantizer.backward(weight, network.quantization(1));
        for (float g : weight.gradient) BOOST_TEST(std::isfinite(g));
        weight.value[3] = std::nanf("");
        BOOST_CHECK_EXCEPTION(
            quantizer.update(weight, network.quantization(1)), base::UserError,
            [](const auto& e) { return std::string(e.what()).find("second.weight") != std::string::npos; });
      }
    }
}

BOOST_AUTO_TEST_CASE(a_learned_number_that_is_not_finite_is_named) {
  Trained trained(WeightMethod::lsq, ActivationMethod::lsq);
  trained.network.find_parameter("conv2.input_step")->value[0] = std::nanf("");
  BOOST_CHECK_EXCEPTION(trained.logits(), base::UserError,
                        [](const auto& e) { return std::string(e.what()).find("conv2.input_step") == 0; });
}

BOOST_AUTO_TEST_CASE(learned_steps_stay_positive) {
  Trained trained(WeightMethod::lsq, ActivationMethod::lsq);
  for (const char* name : {"conv2.weight_step", "conv2.input_step"})
    trained.network.find_parameter(name)->value[0] = -1.0f;
  trained.train(0.5);
  trained.network.forward(trained.data.images, Mode::train);
  for (const char* name : {"conv2.weight_step", "conv2.input_step"})
    BOOST_TEST(trained.network.find_parameter(name)->value[0] > 0.0f);
}

BOOST_AUTO_TEST_CASE(a_method_that_does_not_serve_a_layer_is_refused_by_name) {
  Network network(test::two_layers(), 1);
  const auto refused = [&](int layer, const LayerQuantization& q, const char* what) {
    BOOST_CHECK_EXCEPTION(network.set_quantization(layer, q), base::UserError, [&](const auto& e) {
      return std::string(e.what()).find(what) != std::string::npos;
    });
  };
  LayerQuantization q;
  q.weight_format = 4;
  q.weight_method = WeightMethod::bwn;
  refused(1, q, "second: weight_method bwn does not serve weights in 4; it serves binary");
  q = {};
  q.activation_bits = 4;
  q.activation_method = ActivationMethod::binary;
  refused(1, q, "second: activation_method binary does not serve signed activations of 4 bits");
  q.activation_method = ActivationMethod::lsq;
  refused(0, q, "first: the scale of its input cannot be trained");
  q.activation_dynamic = true;
  refused(1, q, "second: activations whose scale each image brings");
  q = {};
  q.weight_format = 4;
  q.weight_method = WeightMethod::lsq;
  q.folds_batch_norm = true;
  refused(1, q, "second: batch norms are folded with");
}

BOOST_AUTO_TEST_SUITE_END()
