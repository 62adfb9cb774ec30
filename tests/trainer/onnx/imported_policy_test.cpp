// Networks with pairs of quantizers, as policies.
#include "trainer/onnx/imported_policy.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/trainer/deployed_example.hpp"
#include "tests/trainer/onnx/export_helpers.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "trainer/deployed_model.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/onnx/export.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::trainer::test;

namespace {

using onnx::ElementType;
using tests::Sketch;

/// A convolution of 1x1 behind a pair of quantizers of that type and zero point, of an input that is negative
/// too unless `positive`; weights are `levels` times 0.1.
onnx::ImportedNetwork quantized(ElementType type, int zero, bool positive,
                                const std::vector<float>& levels = {1, -2, 3, 4, -5, 127}) {
  Sketch sketch({1, 3, 4, 4});
  sketch.value("s", 0.05f);
  onnx::Tensor zero_point = onnx::Tensor::make(type, {});
  zero_point.bytes[0] = static_cast<std::byte>(zero);
  sketch.model.graph.initializers["z"] = zero_point;
  if (positive) sketch.node("Relu", {"x"});
  sketch.node("QuantizeLinear", {sketch.last, "s", "z"});
  const std::string x = sketch.node("DequantizeLinear", {sketch.last, "s", "z"});
  sketch.model.graph.initializers["w"] = onnx::Tensor::make(ElementType::int8, {2, 3, 1, 1});
  for (std::size_t i = 0; i < 6; ++i)
    sketch.model.graph.initializers["w"].as<std::int8_t>()[i] = static_cast<std::int8_t>(levels[i]);
  const std::string w = sketch.node("DequantizeLinear", {"w", sketch.weight("ws", {2}, 0.1f, 0.1f)},
                                    {{"axis", onnx::integer_attribute(0)}});
  sketch.node("Conv", {x, w});
  return onnx::import_model(sketch.finish(), "m");
}

const onnx::ImportedBits& only(const onnx::ImportedNetwork& imported) {
  BOOST_REQUIRE(imported.bits.size() == 1u);
  return imported.bits.begin()->second;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(imported_policies)

BOOST_AUTO_TEST_CASE(ranges_of_integers_become_bits_and_scales) {
  struct Row {
    ElementType type;
    int zero;
    bool positive;
    int bits;
    float scale;
    bool exact;
  };
  for (const Row& row :
       {Row{ElementType::uint8, 0, true, 8, 0.05f, true}, Row{ElementType::int8, -128, true, 8, 0.05f, true},
        Row{ElementType::int8, 0, true, 7, 0.05f, true},  // 0 to 127
        Row{ElementType::int8, 0, false, 8, 0.05f, true}, Row{ElementType::uint8, 128, false, 8, 0.05f, true},
        Row{ElementType::uint8, 55, false, 8, 0.05f * 200 / 127, false},  // -55 to 200
        Row{ElementType::uint8, 55, true, 8, 0.05f * 200 / 255, false}}) {
    BOOST_TEST_CONTEXT(onnx::element_type_name(row.type) << " around " << row.zero) {
      const onnx::ImportedNetwork imported = quantized(row.type, row.zero, row.positive);
      BOOST_TEST(only(imported).activation_bits == row.bits);
      BOOST_TEST(only(imported).activation_scale == row.scale, boost::test_tools::tolerance(1e-6f));
      BOOST_TEST(imported.notes.empty() == row.exact);
    }
  }
}

BOOST_AUTO_TEST_CASE(weights_that_are_integers_keep_their_scales) {
  const onnx::ImportedNetwork imported = quantized(ElementType::uint8, 0, true);
  BOOST_TEST(only(imported).weight_scales.size() == 2u);
  const onnx::ImportedNetwork lower = quantized(ElementType::uint8, 0, true, {1, -2, 3, 4, -5, -128});
  BOOST_TEST(only(lower).weight_scales.empty());
  BOOST_REQUIRE(lower.notes.size() == 1u);
  BOOST_TEST(lower.notes[0].find("their scales are found anew") != std::string::npos, lower.notes[0]);
}

// What a network of integers writes as ONNX is the same network of integers when it is read.
BOOST_AUTO_TEST_CASE(exported_integers_come_back_as_they_were) {
  const auto check = [](Example example, const quant::LayerFormats& formats) {
    const DeployedModel model =
        deploy(example.network, example.quantize(quant::uniform_policy(example.network.info(), formats)));
    Tensor expected, found;
    IntegerNetwork(model, 8).run_all(example.data.images, expected);
    const onnx::ImportedNetwork imported =
        onnx::import_model(onnx::export_quantized(model, onnx::Dialect::qdq).model, "exported");
    BOOST_TEST(imported.notes.empty());
    Network network(imported.info, 1);
    onnx::put_numbers(imported, network);
    onnx::apply_imported_policy(network, imported, calibrate(network, example.source, {}));
    const quant::Plan plan = quant::lower(network.info(), onnx::imported_policy(imported));
    IntegerNetwork(network, plan, 8).run_all(example.data.images, found);
    const LogitDifference apart = difference(expected, {found.data(), found.data() + found.elements()});
    BOOST_TEST(apart.relative < 1e-3);
    BOOST_TEST(apart.agreement == 1.0);
  };
  for (const char* name : {"cnn_small", "resnet8", "mobilenet_v2_small", "lenet5"})
    for (const quant::LayerFormats formats : {quant::LayerFormats{8, 8}, {4, 8}, {4, 4}})
      BOOST_TEST_CONTEXT(name << ", " << formats.weight.name() << ", " << formats.activation.name()) {
        check(Example(name, 4), formats);
      }
  BOOST_TEST_CONTEXT("integer joins") { check(Example("resnet8", 4, {3, 16, 16}, Joins::int8), {8, 8}); }
}

BOOST_AUTO_TEST_SUITE_END()
