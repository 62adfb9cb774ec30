#include "trainer/onnx/aimet_encodings.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/deployed_example.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;
using nlohmann::json;

BOOST_AUTO_TEST_SUITE(onnx_aimet_encodings)

BOOST_AUTO_TEST_CASE(entries_have_the_scales_of_the_network_under_the_names_of_its_fp32_file) {
  for (const Joins joins : {Joins::fp32, Joins::int8}) {
    Example example("resnet8", 3, {3, 16, 16}, joins);
    quant::Policy policy = quant::uniform_policy(example.network.info(), {4, 8});
    policy.layers.back() = {8, 6};
    const DeployedModel model = deploy(example.network, example.quantize(policy));
    const onnx::AimetEncodings found =
        onnx::aimet_encodings(model, {.input = "x", .output = "y", .producer_version = {}, .metadata = {}});
    const json encodings = json::parse(found.json);
    const onnx::Model fp32 = onnx::export_fp32(
        example.network, {.input = "x", .output = "y", .producer_version = {}, .metadata = {}});
    std::set<std::string> tensors{"x"};
    for (const onnx::Node& node : fp32.graph.nodes) tensors.insert(node.outputs[0]);
    for (const auto& [name, list] : encodings["activation_encodings"].items())
      BOOST_TEST(tensors.count(name) == 1u, name);
    const json& image = encodings["activation_encodings"]["x"][0];
    BOOST_TEST(image["bitwidth"] == 8);
    BOOST_TEST(image["is_symmetric"] == "True");
    BOOST_TEST(image["offset"] == -128);
    BOOST_TEST(image["scale"].get<float>() == example.network.quantization(0).activation_scale);
    BOOST_TEST(encodings["param_encodings"].size() == policy.layers.size());
    for (std::size_t i = 0; i < policy.layers.size(); ++i) {
      const std::string name = example.network.info().layers[i].name + ".weight";
      BOOST_TEST(fp32.graph.initializers.count(name) == 1u);
      const json& list = encodings["param_encodings"][name];
      const std::vector<float> scales = example.network.quantized_weights(static_cast<int>(i)).scales;
      BOOST_REQUIRE(list.size() == scales.size());
      for (std::size_t c = 0; c < scales.size(); ++c) BOOST_TEST(list[c]["scale"].get<float>() == scales[c]);
      BOOST_TEST(list[0]["bitwidth"] == policy.layers[i].weight.code());
    }
    // Eight bits for all that read a join, but six for the last layer, which reads what is pooled.
    BOOST_TEST(found.left_out.empty());
  }
}

BOOST_AUTO_TEST_CASE(what_aimet_cannot_say_is_told) {
  Example example("resnet8", 3);
  const quant::NetworkInfo& info = example.network.info();
  quant::Policy policy = quant::uniform_policy(info, {4, 8});
  policy.layers[1].weight = quant::weight_format("mxfp4").value();
  const auto shortcut = static_cast<std::size_t>(info.find_layer("layer2.0.downsample.conv"));
  policy.layers[shortcut].activation = 5;  // another layer reads the same tensor at 8
  const onnx::AimetEncodings found = onnx::aimet_encodings(deploy(example.network, example.quantize(policy)));
  BOOST_REQUIRE(found.left_out.size() == 2u);
  BOOST_TEST(found.left_out[0] == info.layers[1].name + ": weights in mxfp4: AIMET has integers alone");
  BOOST_TEST(found.left_out[1].starts_with("layer2.0.downsample.conv: reads '"), found.left_out[1]);
  BOOST_TEST(json::parse(found.json)["param_encodings"].count(info.layers[1].name + ".weight") == 0u);

  DeployedModel old = deploy(example.network, example.quantize(quant::uniform_policy(info, {4, 8})));
  for (DeployedStep& step : old.steps) step.weight_scales.clear();
  BOOST_CHECK_EXCEPTION(onnx::aimet_encodings(old), base::UserError,
                        tests::message_has("conv1: this model does not know the scales of its integers"));
  quant::QuantizationOptions options;
  options.activation_scales = quant::ActivationScales::dynamic;
  policy = quant::uniform_policy(info, {4, 8});
  apply_policy(example.network, policy, example.table, options);
  const DeployedModel dynamic = deploy(
      example.network, quant::lower(info, policy, quant::first_capable_kernel(), options.activation_scales));
  BOOST_CHECK_EXCEPTION(onnx::aimet_encodings(dynamic), base::UserError,
                        tests::message_has("conv1: its inputs have a scale for each image"));
}

BOOST_AUTO_TEST_SUITE_END()
