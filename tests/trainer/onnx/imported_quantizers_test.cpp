// What pairs of QuantizeLinear and DequantizeLinear do, wherever they stand: compared with the operators
// themselves.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "quant/plan.hpp"
#include "tests/trainer/onnx/import_check.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "trainer/integer_network.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/imported_policy.hpp"
#include "trainer/tensor_source.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using onnx::ElementType;
using tests::has;
using tests::Sketch;
using tests::why_refused;

constexpr int kImages = 4, kChannels = 4;

/// x behind a pair of quantizers.
std::string pair(Sketch& sketch, const std::string& x, ElementType type, int zero, float scale) {
  const std::string name = std::to_string(sketch.model.graph.nodes.size());
  onnx::Tensor zero_point = onnx::Tensor::make(type, {});
  zero_point.bytes[0] = static_cast<std::byte>(zero);
  sketch.model.graph.initializers["z" + name] = zero_point;
  sketch.value("s" + name, scale);
  const std::string q = sketch.node("QuantizeLinear", {x, "s" + name, "z" + name});
  return sketch.node("DequantizeLinear", {q, "s" + name, "z" + name});
}

/// A convolution of 1x1 whose weights are integers.
std::string layer(Sketch& sketch, const std::string& x, int inputs = kChannels) {
  const std::string name = std::to_string(sketch.model.graph.nodes.size());
  onnx::Tensor weight = onnx::Tensor::make(ElementType::int8, {kChannels, inputs, 1, 1});
  base::Rng rng(3);
  for (std::int8_t& level : weight.as<std::int8_t>())
    level = static_cast<std::int8_t>(static_cast<int>(rng.below(255)) - 127);
  sketch.model.graph.initializers["w" + name] = weight;
  sketch.value("ws" + name, 0.01217f);
  return sketch.node("Conv", {x, sketch.node("DequantizeLinear", {"w" + name, "ws" + name})});
}

struct Outcome {
  onnx::ImportedNetwork imported;
  double apart = 0;  ///< the largest difference, of the largest output
};

/// The import under its own quantizers, beside the operators one by one.
Outcome run(const onnx::Model& model) {
  Outcome outcome{onnx::import_model(model, "m"), 0};
  const onnx::ImportedNetwork& imported = outcome.imported;
  Network network(imported.info, 1);
  onnx::put_numbers(imported, network);
  trainer::Tensor images(kImages, imported.info.nodes[0].output), found;
  base::Rng rng(5);
  for (std::int64_t i = 0; i < images.elements(); ++i)
    images.data()[i] = static_cast<float>(rng.uniform(-3, 3));
  const quant::Policy policy = onnx::imported_policy(imported);
  TensorSource source(images, std::vector<int>(kImages, 0), 2, kImages);
  if (policy.quantizes()) onnx::apply_imported_policy(network, imported, calibrate(network, source, {}));
  const quant::Plan plan = quant::lower(network.info(), policy);
  IntegerNetwork(network, plan, kImages).run_all(images, found);
  const auto in = imported.input_layout.memory_order(), out = imported.output_layout.memory_order();
  double largest = 0;
  for (int n = 0; n < kImages; ++n) {
    onnx::Tensor x = onnx::Tensor::make(ElementType::float32, imported.input_layout.shape());
    for (std::size_t i = 0; i < in.size(); ++i) x.as<float>()[i] = images.sample(n)[in[i]];
    const std::vector<onnx::Tensor> expected = onnx::evaluate(model, {{"x", x}});
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double value = expected.at(0).as<float>()[i];
      largest = std::max(largest, std::abs(value));
      outcome.apart = std::max(outcome.apart, std::abs(value - found.sample(n)[out[i]]));
    }
  }
  outcome.apart /= largest;
  return outcome;
}

constexpr double kExact =
    1e-5;  // no scale here is a fraction of another, so that nothing lies between two levels

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_imported_quantizers)

BOOST_AUTO_TEST_CASE(what_begins_at_0_is_a_relu) {
  for (const auto& [type, zero] : {std::pair{ElementType::uint8, 0}, {ElementType::int8, -128}}) {
    Sketch sketch({1, kChannels, 5, 5});
    const std::string x = layer(sketch, pair(sketch, "x", ElementType::int8, 0, 0.0307f));
    layer(sketch, pair(sketch, x, type, zero, 0.02113f));
    const Outcome outcome = run(sketch.finish());
    BOOST_TEST(outcome.apart < kExact);
    BOOST_TEST(outcome.imported.notes.empty());
    BOOST_TEST(outcome.imported.tensor_scales.empty());
    BOOST_TEST(std::ranges::count(outcome.imported.info.nodes, quant::Op::relu, &quant::Node::op) == 1);
  }
}

BOOST_AUTO_TEST_CASE(pairs_between_other_operations_are_rounded_by_nodes) {
  using Build = std::function<void(Sketch&, const std::string&)>;
  struct Row {
    const char* what;
    int nodes;
    Build build;
  };
  const auto u8 = [](Sketch& sketch, const std::string& x) {
    return pair(sketch, x, ElementType::uint8, 0, 0.02113f);
  };
  const auto s8 = [](Sketch& sketch, const std::string& x) {
    return pair(sketch, x, ElementType::int8, 0, 0.10371f);
  };
  const std::vector<std::int64_t> window = {2, 2};
  const Row rows[] = {
      {"a layer alone", 0, [&](Sketch& s, const std::string& x) { layer(s, u8(s, x)); }},
      {"max pooling before a layer", 0,
       [&](Sketch& s, const std::string& x) {
         layer(s, u8(s, s.node("MaxPool", {u8(s, x)}, {{"kernel_shape", onnx::integers_attribute(window)}})));
       }},
      {"average pooling", 1,
       [&](Sketch& s, const std::string& x) {
         s.node("AveragePool", {s8(s, x)}, {{"kernel_shape", onnx::integers_attribute(window)}});
       }},
      {"the mean of all pixels", 1,
       [&](Sketch& s, const std::string& x) { layer(s, s8(s, s.node("GlobalAveragePool", {u8(s, x)}))); }},
      {"a sum, and a layer that reads the same", 1,
       [&](Sketch& s, const std::string& x) {
         const std::string a = s8(s, x);
         s.node("Add", {layer(s, a), a});
       }},
      {"joined channels", 2,
       [&](Sketch& s, const std::string& x) {
         const std::string joined =
             s.node("Concat", {s8(s, x), s8(s, layer(s, s8(s, x)))}, {{"axis", onnx::integer_attribute(1)}});
         layer(s, pair(s, joined, ElementType::int8, 0, 0.10371f), 2 * kChannels);
       }},
      {"two pairs that say the same of one tensor, under two names", 1,
       [&](Sketch& s, const std::string& x) {
         const std::string a = layer(s, s8(s, x));
         s.node("Add", {a, s8(s, s.node("Identity", {x}))});
       }},
      {"two pairs that say the same of one tensor", 1,
       [&](Sketch& s, const std::string& x) {
         const std::string a = layer(s, s8(s, x));
         s.node("Add", {a, s8(s, x)});
       }},
      {"a layer of real weights", 1,
       [&](Sketch& s, const std::string& x) {
         s.node("Conv", {s8(s, x), s.weight("real", {3, kChannels, 1, 1})});
       }},
      {"a function", 1, [&](Sketch& s, const std::string& x) { s.node("LeakyRelu", {s8(s, x)}); }},
      {"less than half of the integers", 1,
       [&](Sketch& s, const std::string& x) {
         s.node("Sigmoid", {pair(s, s.node("Relu", {x}), ElementType::int8, 0, 0.00513f)});
       }},
      {"a zero point in between", 1,
       [&](Sketch& s, const std::string& x) {
         s.node("Sigmoid", {pair(s, x, ElementType::int8, -30, 0.01f)});  // -98 to 157
       }},
      {"the output", 1, [&](Sketch& s, const std::string& x) { u8(s, x); }},
      {"the output, less its negative values", 1,
       [&](Sketch& s, const std::string& x) { s.node("Relu", {s8(s, x)}); }},
  };
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(row.what) {
      Sketch sketch({1, kChannels, 6, 6});
      row.build(sketch, layer(sketch, pair(sketch, "x", ElementType::int8, 0, 0.0307f)));
      const Outcome outcome = run(sketch.finish());
      if (std::string(row.what) == "a zero point in between") {
        BOOST_TEST(outcome.imported.tensor_scales.empty());
        BOOST_REQUIRE(outcome.imported.notes.size() == 1u);
        BOOST_TEST(has(outcome.imported.notes[0], "QuantizeLinear 'QuantizeLinear4'"),
                   outcome.imported.notes[0]);
        BOOST_TEST(outcome.apart < 0.01);  // half a step, but clipped as the file says
        continue;
      }
      BOOST_TEST(outcome.apart < kExact);
      BOOST_TEST(outcome.imported.notes.empty());
      BOOST_TEST(outcome.imported.tensor_scales.size() == static_cast<std::size_t>(row.nodes));
    }
  }
}

BOOST_AUTO_TEST_CASE(one_tensor_may_go_through_quantizers_of_two_scales) {
  for (const bool image : {true, false}) {
    Sketch sketch({1, kChannels, 5, 5});
    const std::string x =
        image ? std::string("x") : layer(sketch, pair(sketch, "x", ElementType::int8, 0, 0.0307f));
    const std::string fine = layer(sketch, pair(sketch, x, ElementType::int8, 0, 0.15179f));
    const std::string coarse = layer(sketch, pair(sketch, x, ElementType::int8, 0, 0.41731f));
    sketch.node("Add", {fine, coarse});
    const Outcome outcome = run(sketch.finish());
    BOOST_TEST(outcome.apart < kExact);
    BOOST_TEST(outcome.imported.notes.empty());
  }
}

BOOST_AUTO_TEST_CASE(without_quantized_weights_pairs_are_told_and_clip) {
  Sketch sketch({1, kChannels, 5, 5});
  const std::string x = pair(sketch, "x", ElementType::uint8, 0, 0.02113f);
  sketch.node("Conv", {x, sketch.weight("w", {3, kChannels, 1, 1})});
  const Outcome outcome = run(sketch.finish());
  BOOST_TEST(!onnx::imported_policy(outcome.imported).quantizes());
  BOOST_TEST(outcome.imported.has_quantizers);
  BOOST_TEST(outcome.imported.info.quantize_nodes().empty());
  BOOST_REQUIRE(outcome.imported.notes.size() == 1u);
  BOOST_TEST(has(outcome.imported.notes[0], "its rounding is left out"), outcome.imported.notes[0]);
  BOOST_TEST(outcome.apart < 0.01);
}

BOOST_AUTO_TEST_CASE(scales_must_be_above_0_and_finite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float odd : {0.0f, -0.5f, kInfinity, std::numeric_limits<float>::quiet_NaN()})
    for (const std::string scale : {"s0", "ws2"}) {
      Sketch sketch({1, kChannels, 5, 5});
      layer(sketch, pair(sketch, "x", ElementType::int8, 0, 0.0307f));
      sketch.value(scale, odd);
      const std::string why = why_refused(sketch.finish());
      BOOST_TEST(has(why, "it must be a finite number above 0"), why);
      BOOST_TEST(has(why, scale == "s0" ? "'QuantizeLinear0'" : "'DequantizeLinear2'"), why);
    }
}

BOOST_AUTO_TEST_CASE(integers_are_read_by_their_own_dequantizer_alone) {
  Sketch other({1, kChannels, 5, 5});
  pair(other, "x", ElementType::int8, 0, 0.0307f);
  other.value("another", 0.5f);
  other.model.graph.nodes.back().inputs[1] = "another";
  BOOST_TEST(has(why_refused(other.finish()), "DequantizeLinear1': its scale or zero point is not that"),
             why_refused(other.finish()));
  Sketch cast({1, kChannels, 5, 5});
  pair(cast, "x", ElementType::int8, 0, 0.0307f);
  cast.node("Cast", {"QuantizeLinear0_0"}, {{"to", onnx::integer_attribute(1)}});
  BOOST_TEST(has(why_refused(cast.finish()), "'Cast2': it reads integers of a QuantizeLinear"),
             why_refused(cast.finish()));
  Sketch output({1, kChannels, 5, 5});
  output.node("QuantizeLinear", {"x", output.value("s", 0.10371f)});
  BOOST_TEST(has(why_refused(output.finish()), "is integers of a QuantizeLinear"),
             why_refused(output.finish()));
}

BOOST_AUTO_TEST_CASE(spoilt_quantizers_are_refused_or_imported_but_never_crash) {
  base::Rng rng(17);
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    Sketch sketch({1, kChannels, 4, 4});
    const std::string a = pair(sketch, "x", ElementType::uint8, 100, 0.0307f);
    std::string b = sketch.node("Relu", {sketch.node("Add", {layer(sketch, a), a})});
    b = pair(sketch, sketch.node("Flatten", {pair(sketch, b, ElementType::uint8, 0, 0.02113f)}),
             ElementType::uint8, 0, 0.02113f);
    sketch.node("Gemm", {b, sketch.weight("g", {kChannels * 16, 3})});
    onnx::Model model = sketch.finish();
    for (std::uint64_t k = 0; k <= rng.below(3); ++k) {
      std::vector<onnx::Node>& nodes = model.graph.nodes;
      onnx::Node& node = nodes[rng.below(nodes.size())];
      const onnx::Node& from = nodes[rng.below(nodes.size())];
      switch (rng.below(4)) {
        case 0:
          if (!node.inputs.empty() && !from.inputs.empty())
            node.inputs[rng.below(node.inputs.size())] = from.inputs[rng.below(from.inputs.size())];
          break;
        case 1:
          node.op = from.op;
          break;
        case 2:
          if (!node.inputs.empty()) node.inputs.pop_back();
          break;
        default:
          if (node.inputs.size() == 3) {
            auto& zero = model.graph.initializers[node.inputs[2]];
            zero = onnx::Tensor::make(rng.below(2) == 0 ? ElementType::int8 : ElementType::uint8, {});
          }
      }
    }
    refused += !why_refused(model).empty();
  }
  BOOST_TEST(refused > 300);
  BOOST_TEST(refused < 1500);
}

BOOST_AUTO_TEST_SUITE_END()
