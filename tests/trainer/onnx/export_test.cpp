#include "trainer/onnx/export.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/row_pad.hpp"
#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/onnx/export_helpers.hpp"
#include "tests/trainer/onnx/without_qonnx.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/model_file.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;
using onnx::Dialect;
using quant::Window;

namespace {

constexpr double kMostRelative = 1e-4;  // of fp32 sums in another order
// ONNX Runtime adds real numbers where our kernels add integers: a value on the edge between two levels may
// take the other one, as in the simulation (integer_network_test.cpp), and that grows through later layers.
constexpr double kMostOnEdges = 0.1;

constexpr double kLeastAgreement = 0.95;  // one image of 32 may stand between two classes

/// Enough to tell networks apart.
Tensor some_of(const Tensor& images) {
  constexpr int kSome = 32;
  Tensor some(kSome, images.shape());
  std::copy_n(images.data(), some.elements(), some.data());
  return some;
}

/// A network with what no built-in one has.
quant::NetworkInfo odd_network() {
  quant::NetworkBuilder net("odd", {3, 12, 10});
  int x =
      net.conv("output", net.input(), 8, {3, 2, 2, 1, 1, 2, 1, 0, 0, 1}, 1, true);  // a name that is taken
  x = net.relu6("relu", net.batch_norm("bn", x));
  x = net.average_pool("average", x, {3, 3, 1, 1, 1, 1, 1, 1, 0, 0});
  const int branch = net.conv("conv.weight", x, 8, Window::square(3, 1, 2, 2), 4);
  x = net.batch_norm("lone_bn", net.add("sum", x, branch));
  x = net.relu("lone_relu", x);
  x = net.max_pool("max", x, {2, 2, 2, 2, 1, 1, 0, 1, 1, 0});
  x = net.linear("hidden", net.flatten("flat", x), 12);
  x = net.relu("hidden_relu", net.batch_norm("hidden_bn", x));
  net.linear("fc", net.layer_norm("hidden_norm", x), Example::kClasses, false);
  return std::move(net).build();
}

/// One with what imported networks bring.
quant::NetworkInfo imported_network() {
  using quant::Function;
  quant::NetworkBuilder net("imported", {3, 12, 10});
  int x = net.pad("pad", net.input(), 1, 0, 2, 1, 0.5f);
  x = net.function("silu", net.batch_norm("bn1", net.conv("conv1", x, 8, Window::square(3, 2))),
                   Function::silu);
  x = net.pad("zeros", x, 1, 1, 1, 1, 0.0f);
  int y = net.function("swish", net.conv("conv2", x, 8, Window::square(3), 8, true), Function::hard_swish);
  int gate =
      net.function("gate", net.conv("squeeze", net.global_average_pool("mean", y), 8, Window{}, 1, true),
                   Function::hard_sigmoid, 0.2f, 0.5f);
  y = net.multiply("gated", y, gate);
  y = net.shuffle("shuffled", net.concat("both", y, net.prelu("prelu", net.scale("scaled", y))), 2);
  const int head = net.slice("head", y, 0, 10),
            tail = net.function("clipped", net.slice("tail", y, 6, 10), Function::clip, -0.5f, 2.0f);
  y = net.add("sum", head, net.function("leaky", tail, Function::leaky_relu, 0.1f));
  y = net.average_pool("average", net.resize("resized", y, 2, 3), Window::square(3, 2, 1), true);
  y = net.relu("relu", net.conv("conv3", y, 6, Window{}, 1, true));
  y = net.conv("conv4", net.slice("some", net.resize("larger", y, 1, 2), 1, 4), 6, Window{}, 2, true);
  y = net.copy(quant::row_pad("row", y, net.node(y), 2, 1));
  y = net.multiply("product", net.function("sigmoid", y, Function::sigmoid),
                   net.function("erf", y, Function::erf));
  net.linear("fc", net.flatten("flat", y), Example::kClasses);
  return std::move(net).build();
}

/// The same as Example, of such a network.
struct OddExample {
  SmallData data = make_small_data(96, {3, 12, 10}, Example::kClasses, 7);
  TensorSource source{data.images, data.labels, Example::kClasses, 32};
  Network network;
  explicit OddExample(quant::NetworkInfo info = odd_network()) : network(std::move(info), 5) {
    TrainOptions options;
    options.epochs = 2;
    options.batch = 32;
    options.learning_rate = 0.02;
    train(network, source, options);
  }
};

void check_fp32(Network& network, const Tensor& all_images) {
  const Tensor images = some_of(all_images);
  const onnx::Model model = onnx::export_fp32(network);
  const tests::TemporaryFolder folder;
  onnx::write_model(model, folder / "model.onnx");
  BOOST_TEST(model.opset <= 17);
  BOOST_TEST(tests::onnx_checker(folder / "model.onnx") == "");
  const Tensor& expected = network.forward(images, Mode::evaluate);
  BOOST_TEST(
      difference(expected, evaluated_logits(onnx::read_model(folder / "model.onnx"), images)).relative <
      kMostRelative);
  if (const auto modules = tests::onnxruntime_modules())
    BOOST_TEST(difference(expected, logits_of(*modules, model, images)).relative < kMostRelative);
}

/// In both dialects, against the integer network.
void check_quantized(const DeployedModel& model, const Tensor& all_images) {
  const Tensor images = some_of(all_images);
  Tensor expected;
  IntegerNetwork(model, 8).run_all(images, expected);
  const auto modules = tests::onnxruntime_modules();
  for (const auto& [dialect, name] :
       {std::pair{Dialect::qdq, "qdq"}, {Dialect::qdq_int4, "qdq-int4"}, {Dialect::qonnx, "qonnx"}}) {
    onnx::Model exported = onnx::export_quantized(model, dialect).model;
    exported = onnx::parse_model(onnx::model_to_bytes(exported), "exported", ".");
    if (exported.opset <= 17 && dialect != Dialect::qonnx) {
      const tests::TemporaryFolder folder;
      onnx::write_model(exported, folder / "model.onnx");
      BOOST_TEST(tests::onnx_checker(folder / "model.onnx") == "");
    }
    if (dialect == Dialect::qonnx) exported = without_qonnx(exported);
    const LogitDifference plain = difference(expected, evaluated_logits(exported, images));
    BOOST_TEST(plain.relative < kMostOnEdges);
    BOOST_TEST(plain.agreement > kLeastAgreement);
    if (!modules || dialect == Dialect::qdq_int4) continue;
    BOOST_TEST_CONTEXT(name) {
      const LogitDifference found = difference(expected, logits_of(*modules, exported, images));
      BOOST_TEST(found.relative < kMostOnEdges);
      BOOST_TEST(found.agreement > kLeastAgreement);
    }
  }
}

const onnx::Node& node_of(const onnx::Model& model, const std::string& op, const std::string& output = {}) {
  const auto found = std::ranges::find_if(model.graph.nodes, [&](const onnx::Node& node) {
    return node.op == op && (output.empty() || node.outputs[0] == output);
  });
  BOOST_REQUIRE_MESSAGE(found != model.graph.nodes.end(), op << " " << output << " is missing");
  return *found;
}

std::vector<float> floats_of(const onnx::Model& model, const std::string& name) {
  const auto found = model.graph.initializers.find(name);
  BOOST_REQUIRE_MESSAGE(found != model.graph.initializers.end(), name << " is missing");
  const auto values = found->second.as<float>();
  return {values.begin(), values.end()};
}

/// A linear layer from 2 inputs to 2 outputs at these bits, whose numbers are in the test.
DeployedModel two_by_two(quant::LayerFormats formats) {
  quant::NetworkBuilder net("tiny", {2, 1, 1});
  net.linear("fc", net.input(), 2);
  DeployedModel model;
  model.network = std::move(net).build();
  model.policy = quant::uniform_policy(model.network, formats);
  const quant::Plan plan = quant::lower(model.network, model.policy);
  for (const quant::Step& step : plan.steps) {
    DeployedStep deployed;
    deployed.step = step;
    if (step.kind == quant::StepKind::layer) {
      deployed.layer.weights = {1, -2, 3, 0};
      deployed.layer.multiplier = {0.125f, -0.5f};  // input scale times weight scale
      deployed.layer.bias = {0.75f, -1.0f};
    } else {
      deployed.other.scale = 0.25f;
      deployed.other.range = quant::integer_range(formats.activation.code(), true);
    }
    model.steps.push_back(std::move(deployed));
  }
  return model;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_export)

BOOST_AUTO_TEST_CASE(fp32_networks_compute_in_onnx_runtime_what_they_compute_here) {
  for (const char* name : {"cnn_small", "resnet8", "mobilenet_v2_small", "lenet5", "vit_tiny"})
    BOOST_TEST_CONTEXT(name) {
      Example example(name, 3);
      check_fp32(example.network, example.data.images);
    }
  OddExample odd, imported(imported_network());
  check_fp32(odd.network, odd.data.images);
  check_fp32(imported.network, imported.data.images);
}

BOOST_AUTO_TEST_CASE(quantized_networks_compute_in_onnx_runtime_what_integers_compute_here) {
  for (const char* name : {"cnn_small", "resnet8", "mobilenet_v2_small", "lenet5", "vit_tiny"})
    for (int mix : {0, 2, 4}) {
      Example example(name, static_cast<std::uint64_t>(mix), {3, 16, 16},
                      mix == 4 ? Joins::int8 : Joins::fp32);
      const quant::Policy policy =
          mix == 0 ? quant::uniform_policy(example.network.info(), {8, 8}) : example.random_policy(mix);
      BOOST_TEST_CONTEXT(name << ", policy " << quant::policy_to_string(policy))
      check_quantized(deploy(example.network, example.quantize(policy)), example.data.images);
    }
}

BOOST_AUTO_TEST_CASE(odd_shapes_formats_and_scales_found_as_they_come_are_the_same_network_too) {
  OddExample odd;
  quant::QuantizationOptions options;
  quant::Policy policy = quant::uniform_policy(odd.network.info(), {4, 8});
  policy.layers[0] = {quant::weight_format("binary").value(), 8};
  policy.layers[1] = {quant::weight_format("ternary").value(), 4};
  policy.layers[2] = {quant::weight_format("mxfp4").value(), 5};
  const CalibrationTable table = calibrate(odd.network, odd.source, options);
  apply_policy(odd.network, policy, table, options);
  check_quantized(deploy(odd.network, quant::lower(odd.network.info(), policy)), odd.data.images);

  options.activation_scales = quant::ActivationScales::dynamic;
  apply_policy(odd.network, policy, table, options);
  check_quantized(deploy(odd.network, quant::lower(odd.network.info(), policy, quant::first_capable_kernel(),
                                                   options.activation_scales)),
                  odd.data.images);
}

BOOST_AUTO_TEST_CASE(what_imported_networks_bring_is_the_same_network_too) {
  OddExample imported(imported_network());
  const quant::NetworkInfo& info = imported.network.info();
  const CalibrationTable table = calibrate(imported.network, imported.source, {});
  for (const quant::LayerFormats formats : {quant::LayerFormats{8, 8}, {5, 4}}) {
    const quant::Policy policy = quant::uniform_policy(info, formats);
    apply_policy(imported.network, policy, table, {});
    DeployedModel model = deploy(imported.network, quant::lower(info, policy));
    check_quantized(model, imported.data.images);
    for (DeployedStep& step : model.steps) step.output_scale = 0;
    check_quantized(model, imported.data.images);
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_does_not_know_its_scales_gives_the_same_network) {
  Example example("lenet5", 2);
  DeployedModel model =
      deploy(example.network, example.quantize(quant::uniform_policy(example.network.info(), {4, 6})));
  for (DeployedStep& step : model.steps) {
    step.output_scale = 0;
    step.weight_scales.clear();
  }
  check_quantized(model, example.data.images);
}

BOOST_AUTO_TEST_CASE(a_layer_has_the_numbers_of_the_integer_network) {
  const onnx::Model model = onnx::export_quantized(two_by_two({4, 8}), Dialect::qdq).model;
  BOOST_TEST(model.opset == 21);  // of 4-bit weights
  BOOST_TEST(model.ir_version == 10);
  const onnx::Node& weights = node_of(model, "DequantizeLinear", "fc.weight");
  BOOST_TEST(weights.integer("axis", 1) == 0);
  // Levels of a channel with a negative multiplier are negated: scales are above 0.
  BOOST_TEST(floats_of(model, weights.inputs[1]) == (std::vector<float>{0.5f, 2.0f}));
  const onnx::Tensor& levels = model.graph.initializers.at(weights.inputs[0]);
  BOOST_TEST((levels.type == onnx::ElementType::int4));
  BOOST_TEST((levels.bytes == std::vector<std::byte>{std::byte{0xe1}, std::byte{0x0d}}));  // 1 -2, -3 0
  BOOST_TEST(floats_of(model, "fc.bias") == (std::vector<float>{0.75f, -1.0f}));
  // 128 uint8 below its zero point, which our signed integers are not.
  const onnx::Node& clip = node_of(model, "Clip");
  BOOST_TEST(floats_of(model, clip.inputs[1]) == std::vector<float>{-127 * 0.25f});
  BOOST_TEST(clip.inputs.size() == 2u);
  BOOST_TEST(floats_of(model, node_of(model, "QuantizeLinear").inputs[1]) == std::vector<float>{0.25f});
  BOOST_TEST(node_of(model, "Gemm").name == "fc");
  BOOST_TEST(node_of(model, "Gemm").inputs.size() == 2u);  // a bias there would be rounded
  BOOST_TEST(node_of(model, "Add").inputs == (std::vector<std::string>{"output/products", "fc.bias"}),
             boost::test_tools::per_element());
  BOOST_TEST(node_of(model, "Add").outputs[0] == "output");
}

BOOST_AUTO_TEST_CASE(qonnx_says_bits_signs_and_scales) {
  const onnx::Model model = onnx::export_quantized(two_by_two({3, 5}), Dialect::qonnx).model;
  BOOST_TEST(model.opset == 13);
  BOOST_TEST(model.other_domains.at("qonnx.custom_op.general") == 1);
  const onnx::Node& weights = node_of(model, "Quant", "fc.weight/quantized");
  BOOST_TEST(weights.domain == "qonnx.custom_op.general");
  BOOST_TEST(floats_of(model, "fc.weight") == (std::vector<float>{0.5f, -1.0f, -6.0f, 0.0f}));
  BOOST_TEST(floats_of(model, weights.inputs[1]) == (std::vector<float>{0.5f, 2.0f}));
  BOOST_TEST((model.graph.initializers.at(weights.inputs[1]).dims == onnx::Dims{2, 1}));
  BOOST_TEST(floats_of(model, weights.inputs[2]) == std::vector<float>{0.0f});
  BOOST_TEST(floats_of(model, weights.inputs[3]) == std::vector<float>{3.0f});
  BOOST_TEST(weights.integer("signed", 0) == 1);
  BOOST_TEST(weights.integer("narrow", 0) == 1);
  BOOST_TEST(weights.text("rounding_mode", "") == "ROUND");
  BOOST_TEST(floats_of(model, node_of(model, "Quant", "input/quantized").inputs[3]) ==
             std::vector<float>{5.0f});
}

BOOST_AUTO_TEST_CASE(a_channel_without_a_multiplier_is_its_bias) {
  for (const quant::Format weights : {quant::Format(4), quant::weight_format("binary").value()}) {
    DeployedModel model = two_by_two({weights, 8});
    if (!weights.is_integer()) model.steps.back().layer.weights = {1, -1, -1, 1};
    model.steps.back().layer.multiplier[1] = 0.0f;
    const auto modules = tests::onnxruntime_modules();
    if (!modules) return;
    Tensor images(1, {2, 1, 1});
    images.fill(3.0f);
    for (const Dialect dialect : {Dialect::qdq, Dialect::qonnx}) {
      const onnx::Model exported = without_qonnx(onnx::export_quantized(model, dialect).model);
      BOOST_TEST(logits_of(*modules, exported, images)[1] == -1.0f);
    }
  }
}

BOOST_AUTO_TEST_CASE(names_are_those_of_the_network_and_each_is_there_once) {
  OddExample odd;
  const onnx::Model model = onnx::export_fp32(
      odd.network,
      {.input = "images", .output = "logits", .producer_version = "0.1", .metadata = {{"who", "us"}}});
  BOOST_TEST(model.graph.inputs[0].name == "images");
  BOOST_TEST((model.graph.inputs[0].dims == onnx::Dims{-1, 3, 12, 10}));
  BOOST_TEST(model.graph.inputs[0].dim_names[0] == "N");
  BOOST_TEST(model.graph.outputs[0].name == "logits");
  BOOST_TEST((model.graph.outputs[0].dims == onnx::Dims{-1, Example::kClasses}));
  BOOST_TEST(model.producer_name == "bitsmith");
  BOOST_TEST(model.metadata[0].first == "who");
  BOOST_TEST(node_of(model, "Conv", "conv.weight").name == "conv.weight");
  std::set<std::string> names{"images"};
  for (const auto& [name, tensor] : model.graph.initializers) BOOST_TEST(names.insert(name).second, name);
  for (const onnx::Node& node : model.graph.nodes)
    BOOST_TEST(names.insert(node.outputs[0]).second, node.outputs[0]);
  BOOST_CHECK_THROW(
      onnx::export_fp32(odd.network, {.input = "x", .output = "x", .producer_version = {}, .metadata = {}}),
      base::UserError);
}

BOOST_AUTO_TEST_CASE(what_is_emulated_is_said_in_the_file) {
  const onnx::Exported exported = onnx::export_quantized(two_by_two({3, 6}), Dialect::qdq);
  BOOST_TEST(exported.emulated == (std::vector<std::string>{
                                      "fc: inputs of 63 levels (-31 to 31) are clamped integers of 8 bits",
                                      "fc: weights of 3 bits are integers of 4 bits"}),
             boost::test_tools::per_element());
  BOOST_TEST(exported.model.metadata.back().first == "bitsmith.emulated");
  BOOST_TEST(exported.model.metadata.back().second == exported.emulated[0] + "; " + exported.emulated[1]);
  BOOST_TEST(onnx::export_quantized(two_by_two({4, 8}), Dialect::qdq).emulated.empty());
  BOOST_TEST(onnx::export_quantized(two_by_two({4, 4}), Dialect::qdq_int4).emulated.empty());
  BOOST_TEST(onnx::export_quantized(two_by_two({3, 6}), Dialect::qonnx).emulated.empty());
}

BOOST_AUTO_TEST_CASE(what_onnx_cannot_say_is_refused_by_name) {
  quant::NetworkBuilder net("padded", {1, 4, 4});
  const int pool = net.max_pool("pool", net.input(), Window::square(2, 1, 2));
  net.linear("fc", net.flatten("flat", pool), 2);
  DeployedModel model;
  model.network = std::move(net).build();
  model.policy = quant::uniform_policy(model.network, {});
  for (const quant::Step& step : quant::lower(model.network, model.policy).steps) {
    model.steps.emplace_back();
    model.steps.back().step = step;
  }
  BOOST_CHECK_EXCEPTION(onnx::export_quantized(model, Dialect::qdq), base::UserError,
                        tests::message_has("pool: its padding is not smaller than its 2 x 2 window"));
}

BOOST_AUTO_TEST_CASE(the_same_model_is_the_same_file) {
  Example example("resnet8", 3);
  const DeployedModel model = deploy(example.network, example.quantize(example.random_policy(1)));
  const std::string once = onnx::model_to_bytes(onnx::export_quantized(model, Dialect::qdq).model);
  const DeployedModel loaded = model_from_bytes(model_to_bytes(model), "model");
  BOOST_TEST((once == onnx::model_to_bytes(onnx::export_quantized(loaded, Dialect::qdq).model)));
  const tests::TemporaryFolder folder;
  BOOST_CHECK_THROW(onnx::write_model(onnx::export_fp32(example.network), folder.path()), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
