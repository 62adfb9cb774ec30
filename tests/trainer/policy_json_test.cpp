#include "trainer/policy_json.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/trainer/deployed_example.hpp"
#include "trainer/deployed_scales.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;
using nlohmann::json;

BOOST_AUTO_TEST_SUITE(policy_as_json)

BOOST_AUTO_TEST_CASE(numbers_are_those_of_the_network) {
  Example example("resnet8", 3, {3, 16, 16}, Joins::int8);
  quant::Policy policy = quant::uniform_policy(example.network.info(), {4, 6});
  policy.layers[1] = {quant::weight_format("ternary").value(), 8};
  policy.layers[2] = {quant::weight_format("kmeans3").value(), 5};
  policy.layers[3] = {};
  policy.layers[4] = {5, quant::kFloatBits};
  const DeployedModel model = deploy(example.network, example.quantize(policy));
  const json found = json::parse(policy_json(model));
  BOOST_TEST(found["schema"] == "bitsmith-policy");
  BOOST_TEST(found["version"] == 1);
  BOOST_TEST(found["network"] == "resnet8");
  const json& layers = found["layers"];
  BOOST_TEST(layers.size() == policy.layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerQuantization& q = example.network.quantization(static_cast<int>(i));
    BOOST_TEST_CONTEXT(layers[i]["name"]) {
      BOOST_TEST(layers[i]["name"] == example.network.info().layers[i].name);
      const json& scale = layers[i]["activations"]["scale"];
      if (q.quantizes_activations())
        BOOST_TEST(scale.get<float>() == q.activation_scale);
      else
        BOOST_TEST(scale.is_null());
      const std::vector<float> scales = example.network.quantized_weights(static_cast<int>(i)).scales;
      if (policy.layers[i].weight.is_float() || i == 2)
        BOOST_TEST(layers[i]["weights"]["scales"].is_null());
      else
        BOOST_TEST((layers[i]["weights"]["scales"].get<std::vector<float>>() == scales));
    }
  }
  BOOST_TEST(layers[0]["weights"]["levels"] == json({-7, 7}));
  BOOST_TEST(layers[1]["weights"]["format"] == "ternary");
  BOOST_TEST(layers[1]["weights"]["levels"] == json({-1, 1}));
  BOOST_TEST(layers[1]["weights"]["effective_bits"].get<double>() == 1.6);
  BOOST_TEST(layers[2]["weights"]["levels"].is_null());
  BOOST_TEST(layers[3]["weights"]["format"] == "fp32");
  BOOST_TEST(layers[4]["activations"]["format"] == "fp32");
  const auto nodes = example.network.info().quantize_nodes();
  BOOST_TEST(found["tensors"].size() == nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::string& name = example.network.info().nodes[static_cast<std::size_t>(nodes[i])].name;
    BOOST_TEST(found["tensors"][i]["name"] == name);
    BOOST_TEST(found["tensors"][i]["scale"].get<float>() ==
               example.network.find_buffer(name + ".scale")->value[0]);
  }
}

BOOST_AUTO_TEST_CASE(what_a_model_does_not_know_is_null_or_told_by_who_reads_it) {
  Example example("lenet5", 2);
  DeployedModel model =
      deploy(example.network, example.quantize(quant::uniform_policy(example.network.info(), {4, 6})));
  const std::vector<LayerScales> all = layer_scales(model);
  for (DeployedStep& step : model.steps) {
    step.output_scale = 0;
    step.weight_scales.clear();
  }
  const std::vector<LayerScales> left = layer_scales(model);
  int unknown = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    BOOST_TEST((left[i].input == 0 || left[i].input == all[i].input));
    unknown += left[i].input == 0;
  }
  BOOST_TEST(unknown > 0);
  BOOST_TEST(unknown < 4);  // the images and what is pooled are known
  const json found = json::parse(policy_json(model));
  for (const json& layer : found["layers"]) BOOST_TEST(layer["weights"]["scales"].is_null());
  BOOST_TEST(found["layers"].back()["activations"]["range"].is_null());
}

BOOST_AUTO_TEST_CASE(scales_of_each_image_are_called_dynamic) {
  Example example("cnn_small", 2);
  quant::QuantizationOptions options;
  options.activation_scales = quant::ActivationScales::dynamic;
  const quant::Policy policy = quant::uniform_policy(example.network.info(), {4, 8});
  apply_policy(example.network, policy, example.table, options);
  const json found = json::parse(policy_json(
      deploy(example.network, quant::lower(example.network.info(), policy, quant::first_capable_kernel(),
                                           options.activation_scales))));
  for (const json& layer : found["layers"]) BOOST_TEST(layer["activations"]["scale"] == "dynamic");
}

BOOST_AUTO_TEST_SUITE_END()
