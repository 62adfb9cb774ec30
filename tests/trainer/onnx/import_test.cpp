#include "trainer/onnx/import.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "tests/trainer/onnx/import_check.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "trainer/network.hpp"
#include "trainer/onnx/graph_writer.hpp"
#include "trainer/onnx/imported_policy.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using onnx::Attributes;
using onnx::Dims;
using tests::check_import;
using tests::has;
using tests::Sketch;
using tests::spoil;
using tests::why_refused;

onnx::Model branches() {
  Sketch sketch({1, 8, 6, 6});
  const std::string left =
      sketch.node("Split", {"x", sketch.numbers("sizes", {3, 5})}, {{"axis", onnx::integer_attribute(1)}}, 2);
  const std::string right = "Split0_1";
  const std::string branch = sketch.node("Conv", {right, sketch.weight("b.weight", {5, 5, 1, 1})});
  const std::string silu = sketch.node("Mul", {branch, sketch.node("Sigmoid", {branch})});
  std::string x = sketch.node("Concat", {left, silu}, {{"axis", onnx::integer_attribute(1)}});
  x = sketch.node("Reshape", {x, sketch.numbers("apart", {0, 2, 4, 6, 6})});
  x = sketch.node("Transpose", {x}, {{"perm", onnx::integers_attribute({0, 2, 1, 3, 4})}});
  x = sketch.node("Reshape", {x, sketch.numbers("together", {-1, 8, 6, 6})});
  const std::string mean = sketch.node("ReduceMean", {x}, {{"axes", onnx::integers_attribute({2, 3})}});
  const std::string gate =
      sketch.node("HardSigmoid", {sketch.node("Conv", {mean, sketch.weight("g.weight", {8, 8, 1, 1})})});
  x = sketch.node("Mul", {gate, x});
  x = sketch.node("Add", {x, x});
  x = sketch.node("Slice",
                  {x, sketch.numbers("from", {1}), sketch.numbers("to", {7}), sketch.numbers("axis", {1})});
  sketch.node("Conv", {x, sketch.weight("last.weight", {2, 6, 3, 3})});
  return sketch.finish();
}

/// `n` is the batch that the file fixes, also in its constants.
onnx::Model attention(std::int64_t n = 1) {
  Sketch sketch({n, 3, 6, 6});
  const std::int64_t same = n == 1 ? 0 : n;
  std::string x = sketch.node("Conv", {"x", sketch.weight("patches.weight", {8, 3, 2, 2})},
                              {{"strides", onnx::integers_attribute({2, 2})}});
  x = sketch.node("Reshape", {x, sketch.numbers("tokens", {same, 8, 9})});
  x = sketch.node("Transpose", {x}, {{"perm", onnx::integers_attribute({0, 2, 1})}});
  const std::string position = sketch.weight("position", {1, 9, 8});
  x = sketch.node(
      "Add", {x, n == 1 ? position : sketch.node("Expand", {position, sketch.numbers("all", {n, 9, 8})})});
  const std::string norm =
      sketch.node("LayerNormalization", {x, sketch.weight("n.weight", {8}), sketch.weight("n.bias", {8})});
  std::string qkv = sketch.node("MatMul", {norm, sketch.weight("qkv", {8, 24})});
  qkv = sketch.node("Add", {qkv, sketch.weight("qkv_bias", {24})});
  qkv = sketch.node("Reshape", {qkv, sketch.numbers("heads", {same, 9, 3, 2, 4})});
  qkv = sketch.node("Transpose", {qkv}, {{"perm", onnx::integers_attribute({2, 0, 3, 1, 4})}});
  std::vector<std::string> parts;
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::string index = "index" + std::to_string(i);
    sketch.model.graph.initializers[index] = onnx::Tensor::of({}, std::span<const std::int64_t>(&i, 1));
    parts.push_back(sketch.node("Gather", {qkv, index}, {{"axis", onnx::integer_attribute(0)}}));
  }
  const std::string keys =
      sketch.node("Transpose", {parts[1]}, {{"perm", onnx::integers_attribute({0, 1, 3, 2})}});
  std::string scores = sketch.node("MatMul", {parts[0], keys});
  scores = sketch.node("Mul", {scores, sketch.value("factor", 0.5f)});
  scores = sketch.node("Softmax", {scores}, {{"axis", onnx::integer_attribute(-1)}});
  std::string mixed = sketch.node("MatMul", {scores, parts[2]});
  mixed = sketch.node("Transpose", {mixed}, {{"perm", onnx::integers_attribute({0, 2, 1, 3})}});
  mixed = sketch.node("Reshape", {mixed, sketch.numbers("merged", {same, 9, 8})});
  x = sketch.node("Add", {x, mixed});
  // GELU as exporters write it before opset 20.
  const std::string inner = sketch.node("Div", {x, sketch.value("root", 1.41421356f)});
  const std::string erf = sketch.node("Add", {sketch.node("Erf", {inner}), sketch.value("one", 1)});
  x = sketch.node("Mul", {sketch.node("Mul", {x, erf}), sketch.value("half", 0.5f)});
  x = sketch.node("ReduceMean", {x},
                  {{"axes", onnx::integers_attribute({1})}, {"keepdims", onnx::integer_attribute(0)}});
  sketch.node("Gemm", {x, sketch.weight("head.weight", {5, 8}), sketch.weight("head.bias", {5})},
              {{"transB", onnx::integer_attribute(1)}});
  return sketch.finish();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_import)

BOOST_AUTO_TEST_CASE(convolutions_of_every_form_compute_what_their_operator_does) {
  struct Form {
    std::string what;
    Dims input, weight;
    Attributes attributes;
  };
  const Form forms[] = {
      {"plain", {1, 3, 7, 6}, {4, 3, 3, 3}, {}},
      {"padded, strided",
       {1, 3, 7, 6},
       {4, 3, 3, 2},
       {{"pads", onnx::integers_attribute({1, 0, 2, 1})}, {"strides", onnx::integers_attribute({2, 1})}}},
      {"dilated", {1, 2, 9, 9}, {3, 2, 3, 3}, {{"dilations", onnx::integers_attribute({2, 3})}}},
      {"grouped", {1, 6, 5, 5}, {4, 3, 3, 3}, {{"group", onnx::integer_attribute(2)}}},
      {"depthwise",
       {1, 8, 5, 5},
       {8, 1, 3, 3},
       {{"group", onnx::integer_attribute(8)}, {"pads", onnx::integers_attribute({1, 1, 1, 1})}}},
      {"same, the end",
       {1, 2, 6, 5},
       {3, 2, 3, 4},
       {{"auto_pad", onnx::text_attribute("SAME_UPPER")}, {"strides", onnx::integers_attribute({2, 2})}}},
      {"same, the beginning", {1, 2, 6, 5}, {3, 2, 4, 3}, {{"auto_pad", onnx::text_attribute("SAME_LOWER")}}},
      {"valid", {1, 2, 6, 5}, {3, 2, 3, 3}, {{"auto_pad", onnx::text_attribute("VALID")}}},
      {"of one dimension",
       {1, 3, 12},
       {5, 3, 4},
       {{"pads", onnx::integers_attribute({1, 2})}, {"strides", onnx::integers_attribute({2})}}},
  };
  for (const Form& form : forms)
    for (const bool bias : {false, true}) {
      Sketch sketch(form.input);
      std::vector<std::string> inputs = {"x", sketch.weight("layer.weight", form.weight)};
      if (bias) inputs.push_back(sketch.weight("layer.bias", {form.weight[0]}));
      sketch.node("Conv", inputs, form.attributes);
      check_import(form.what, sketch.finish());
    }
}

BOOST_AUTO_TEST_CASE(matrix_products_and_their_biases_become_linear_layers) {
  for (const bool sideways : {false, true}) {
    Sketch sketch({1, 6});
    sketch.node("Gemm",
                {"x", sketch.weight("w", sideways ? Dims{4, 6} : Dims{6, 4}), sketch.weight("b", {4})},
                {{"transB", onnx::integer_attribute(sideways)},
                 {"alpha", onnx::real_attribute(0.5f)},
                 {"beta", onnx::real_attribute(2)}});
    check_import("gemm", sketch.finish());
  }
  Sketch sketch({1, 6});
  const std::string product = sketch.node("MatMul", {"x", sketch.weight("w", {6, 4})});
  sketch.node("Add", {sketch.weight("b", {4}), product});
  const onnx::Model model = sketch.finish();
  check_import("matmul and add", model);
  const onnx::ImportedNetwork imported = onnx::import_model(model, "m");
  BOOST_TEST(imported.info.nodes.size() == 2u);
  BOOST_TEST(imported.info.layers.at(0).bias);
}

BOOST_AUTO_TEST_CASE(elements_norms_and_pools_compute_what_their_operators_do) {
  struct Form {
    std::string op;
    Attributes attributes;
  };
  const Form forms[] = {
      {"Relu", {}},
      {"LeakyRelu", {{"alpha", onnx::real_attribute(0.2f)}}},
      {"Sigmoid", {}},
      {"HardSigmoid", {{"alpha", onnx::real_attribute(0.3f)}}},
      {"HardSwish", {}},
      {"Erf", {}},
      {"Identity", {}},
      {"MaxPool",
       {{"kernel_shape", onnx::integers_attribute({3, 2})},
        {"strides", onnx::integers_attribute({2, 2})},
        {"pads", onnx::integers_attribute({1, 0, 1, 1})}}},
      {"MaxPool",
       {{"kernel_shape", onnx::integers_attribute({3, 3})},
        {"strides", onnx::integers_attribute({2, 2})},
        {"ceil_mode", onnx::integer_attribute(1)}}},
      {"AveragePool",
       {{"kernel_shape", onnx::integers_attribute({3, 3})},
        {"strides", onnx::integers_attribute({2, 2})},
        {"pads", onnx::integers_attribute({1, 1, 1, 1})}}},
      {"AveragePool",
       {{"kernel_shape", onnx::integers_attribute({3, 3})},
        {"pads", onnx::integers_attribute({1, 1, 1, 1})},
        {"count_include_pad", onnx::integer_attribute(1)}}},
      {"AveragePool",
       {{"kernel_shape", onnx::integers_attribute({2, 2})},
        {"strides", onnx::integers_attribute({2, 2})},
        {"ceil_mode", onnx::integer_attribute(1)}}},
      {"GlobalAveragePool", {}},
      {"ReduceMean", {{"axes", onnx::integers_attribute({2, 3})}}},
      {"ReduceMean",
       {{"axes", onnx::integers_attribute({-1, -2})}, {"keepdims", onnx::integer_attribute(0)}}},
      {"Flatten", {}},
      {"Softmax", {{"axis", onnx::integer_attribute(1)}}},
  };
  for (const Form& form : forms) {
    Sketch sketch({1, 4, 7, 8});
    sketch.node("Conv", {"x", sketch.weight("c.weight", {4, 4, 1, 1})});
    sketch.node(form.op, {sketch.last}, form.attributes);
    check_import(form.op, sketch.finish());
  }
  Sketch sketch({1, 4, 5, 6});
  sketch.node("BatchNormalization",
              {"x", sketch.weight("bn.weight", {4}), sketch.weight("bn.bias", {4}),
               sketch.weight("bn.mean", {4}), sketch.weight("bn.var", {4}, 0.1f, 2.0f)});
  sketch.node("PRelu", {sketch.last, sketch.weight("slope", {4, 1, 1})});
  sketch.node("Clip", {sketch.last, sketch.value("low", -0.4f), sketch.value("high", 0.9f)});
  sketch.node("Pad",
              {sketch.last, sketch.numbers("pads", {0, 0, 1, 0, 0, 0, 2, 1}), sketch.value("v", 0.25f)});
  sketch.model.graph.initializers["factors"] = onnx::Tensor::of({4}, std::vector<float>{1, 1, 2, 3});
  sketch.node("Resize", {sketch.last, "", "factors"},
              {{"mode", onnx::text_attribute("nearest")},
               {"coordinate_transformation_mode", onnx::text_attribute("asymmetric")},
               {"nearest_mode", onnx::text_attribute("floor")}});
  check_import("norm, slope, clip, pad, resize", sketch.finish());
}

BOOST_AUTO_TEST_CASE(constants_scale_and_shift_channels) {
  Sketch sketch({1, 3, 4, 4});
  sketch.node("Sub", {"x", sketch.weight("mean", {1, 3, 1, 1})});
  sketch.node("Div", {sketch.last, sketch.weight("deviation", {3, 1, 1}, 0.5f, 2.0f)});
  sketch.node("Mul", {sketch.value("half", 0.5f), sketch.last});
  sketch.node("Add", {sketch.last, sketch.weight("all", {1, 3, 4, 4})});
  sketch.node("Sub", {sketch.value("one", 1), sketch.last});
  check_import("constants", sketch.finish());
}

BOOST_AUTO_TEST_CASE(branches_gates_and_shuffled_channels_are_followed) {
  const onnx::Model model = branches();
  check_import("branches", model);
  const quant::NetworkInfo info = onnx::import_model(model, "m").info;
  BOOST_TEST(
      std::ranges::any_of(info.nodes, [](const quant::Node& n) { return n.op == quant::Op::shuffle; }));
  BOOST_TEST(std::ranges::any_of(info.nodes, [](const quant::Node& n) {
    return n.op == quant::Op::function && n.function == quant::Function::silu;
  }));
}

BOOST_AUTO_TEST_CASE(one_pixel_is_expanded_to_all) {
  for (const std::int64_t n : {1, 3}) {
    Sketch sketch({n, 4, 3, 5});
    const std::string gate = sketch.node("Sigmoid", {sketch.node("GlobalAveragePool", {"x"})});
    sketch.node("Mul", {"x", sketch.node("Expand", {gate, sketch.node("Shape", {"x"})})});
    check_import("gate", sketch.finish());
  }
  Sketch rows({1, 4, 1, 5});
  rows.node("Expand", {"x", rows.numbers("to", {1, 4, 3, 5})});
  BOOST_TEST(has(why_refused(rows.finish()), "one pixel for all"), why_refused(rows.finish()));
}

BOOST_AUTO_TEST_CASE(shapes_that_are_computed_fold_and_flatten_in_the_order_of_onnx) {
  Sketch sketch({-1, 3, 4, 5});
  const std::string shape = sketch.node("Shape", {"x"});
  const std::string batch =
      sketch.node("Gather", {shape, sketch.numbers("zero", {0})}, {{"axis", onnx::integer_attribute(0)}});
  const std::string to =
      sketch.node("Concat", {batch, sketch.numbers("rest", {-1})}, {{"axis", onnx::integer_attribute(0)}});
  sketch.node("Reshape", {"x", to});
  sketch.node("Gemm", {sketch.last, sketch.weight("fc.weight", {7, 60})},
              {{"transB", onnx::integer_attribute(1)}});
  check_import("flattened", sketch.finish());
}

BOOST_AUTO_TEST_CASE(attention_over_tokens_becomes_products_of_heads) {
  check_import("attention", attention());
}

BOOST_AUTO_TEST_CASE(a_batch_that_the_file_fixes_may_be_in_its_constants) {
  check_import("attention of 4", attention(4));
  for (const std::int64_t n : {3, 8}) {
    Sketch sketch({n, 3, 4, 4});
    sketch.node("Conv", {"x", sketch.weight("c.weight", {8, 3, 1, 1})});
    sketch.node("Reshape", {sketch.last, sketch.numbers("apart", {n, 2, 4, 4, 4})});
    sketch.node("Transpose", {sketch.last}, {{"perm", onnx::integers_attribute({0, 2, 1, 3, 4})}});
    sketch.node("Reshape", {sketch.last, sketch.numbers("together", {n, 8, 4, 4})});
    sketch.node("Conv", {sketch.last, sketch.weight("d.weight", {6, 8, 1, 1})});
    sketch.node("Reshape", {sketch.last, sketch.numbers("flat", {n, -1})});
    sketch.node("Gemm", {sketch.last, sketch.weight("fc.weight", {5, 96})},
                {{"transB", onnx::integer_attribute(1)}});
    check_import("shuffled and flattened", sketch.finish());
  }
}

BOOST_AUTO_TEST_CASE(what_differs_within_a_fixed_batch_is_refused) {
  Sketch unlike({4, 3, 4, 4});
  unlike.node("Add", {"x", unlike.weight("each", {4, 3, 1, 1})});
  BOOST_TEST(has(why_refused(unlike.finish()), "not the same for each image"), why_refused(unlike.finish()));
  Sketch apart({4, 3, 4, 4});
  apart.node("Reshape", {"x", apart.numbers("cut", {2, 6, 4, 4})});
  BOOST_TEST(has(why_refused(apart.finish()), "moves data"), why_refused(apart.finish()));
  Sketch joined({4, 3, 4, 4});
  joined.node("Reshape", {"x", joined.numbers("join", {1, 12, 4, 4})});
  joined.node("MaxPool", {joined.last}, {{"kernel_shape", onnx::integers_attribute({2, 2})}});
  BOOST_TEST(has(why_refused(joined.finish()), "is no image"), why_refused(joined.finish()));
  Sketch aside({4, 3, 5});
  aside.node("Transpose", {"x"}, {{"perm", onnx::integers_attribute({1, 0, 2})}});
  aside.node("Relu", {aside.last});
  BOOST_TEST(has(why_refused(aside.finish()), "first dimension is not the batch"),
             why_refused(aside.finish()));
}

BOOST_AUTO_TEST_CASE(layers_are_named_by_their_weights_or_else_by_their_nodes) {
  Sketch sketch({1, 3, 4, 4});
  sketch.node("Conv", {"x", sketch.weight("layer1.0.conv1.weight", {3, 3, 1, 1})});
  sketch.node("Conv", {sketch.last, sketch.weight("onnx::Conv_193", {3, 3, 1, 1})});
  sketch.model.graph.nodes.back().name = "/layer1/layer1.1/conv2/Conv";
  sketch.node("Conv", {sketch.last, sketch.weight("c3", {3, 3, 1, 1})});
  sketch.node("Conv", {sketch.last, "c3"});
  const onnx::ImportedNetwork imported = onnx::import_model(sketch.finish(), "m");
  const auto& layers = imported.info.layers;
  BOOST_TEST(layers.at(0).name == "layer1.0.conv1");
  BOOST_TEST(layers.at(1).name == "layer1.1.conv2");
  BOOST_TEST(layers.at(2).name == "Conv2");
  const std::vector<std::vector<std::string>> shared = {{"Conv2.weight", "Conv3.weight"}};
  BOOST_CHECK(imported.info.shared_parameters == shared);
}

BOOST_AUTO_TEST_CASE(pairs_of_quantizers_are_read_as_bits_of_layers) {
  Sketch sketch({1, 3, 4, 4});
  sketch.value("s", 0.05f);
  sketch.model.graph.initializers["z"] = onnx::Tensor::make(onnx::ElementType::uint8, {});
  sketch.node("Relu", {"x"});
  sketch.node("QuantizeLinear", {sketch.last, "s", "z"});
  const std::string x = sketch.node("DequantizeLinear", {sketch.last, "s", "z"});
  sketch.model.graph.initializers["w"] = onnx::Tensor::make(onnx::ElementType::int8, {2, 3, 1, 1});
  for (std::size_t i = 0; i < 6; ++i)
    sketch.model.graph.initializers["w"].as<std::int8_t>()[i] = static_cast<std::int8_t>(7 * i);
  const std::string w = sketch.node("DequantizeLinear", {"w", sketch.weight("ws", {2}, 0.1f, 0.2f)},
                                    {{"axis", onnx::integer_attribute(0)}});
  sketch.node("Conv", {x, w});
  const onnx::ImportedNetwork imported = onnx::import_model(sketch.finish(), "m");
  BOOST_REQUIRE(imported.bits.size() == 1u);
  const onnx::ImportedBits& bits = imported.bits.begin()->second;
  BOOST_TEST(bits.weight_bits == 8);
  BOOST_TEST(bits.activation_bits == 8);
  BOOST_TEST(bits.weight_scales.size() == 2u);
  BOOST_TEST(bits.activation_scale == 0.05f);
  BOOST_TEST((onnx::imported_policy(imported).layers.at(0) == quant::LayerFormats{8, 8}));
}

BOOST_AUTO_TEST_CASE(everything_unsupported_is_listed_at_once) {
  Sketch sketch({1, 3, 4, 4});
  sketch.node("Conv", {"x", sketch.weight("c.weight", {3, 3, 1, 1})});
  const std::string odd = sketch.node("Mystery", {sketch.last});
  const std::string other = sketch.node("ReduceMean", {"x"}, {{"axes", onnx::integers_attribute({1})}});
  sketch.node("Add", {odd, other});
  const std::string why = why_refused(sketch.finish());
  BOOST_TEST(has(why, "m.onnx: 2 of its nodes"), why);
  BOOST_TEST(has(why, "Mystery"), why);
  BOOST_TEST(has(why, "ReduceMean"), why);
}

BOOST_AUTO_TEST_CASE(what_lies_behind_something_unsupported_is_judged_as_far_as_it_can_be) {
  Sketch sketch({1, 4, 6, 6});
  sketch.node("Elu", {sketch.node("Conv", {"x", sketch.weight("a", {4, 4, 1, 1})})});
  // Of the shape of its input, whatever it computes: what follows is judged in full.
  const std::string softplus = sketch.node("Softplus", {sketch.node("Conv", {sketch.last, "a"})});
  const std::string mean = sketch.node("ReduceMean", {softplus}, {{"axes", onnx::integers_attribute({1})}});
  // Of a shape that is not known: only what no input could help.
  const std::string shape = sketch.node("Shape", {mean});
  const std::string ranges =
      sketch.node("Slice", {shape, sketch.numbers("from", {1}), sketch.numbers("to", {3})});
  const std::string sum = sketch.node("Add", {mean, softplus});
  sketch.node("Resize", {sketch.node("Relu", {sum}), "", "", ranges},
              {{"mode", onnx::text_attribute("linear")}});
  sketch.node("Tan", {sketch.node("Reshape", {sketch.last, shape})});
  const std::string why = why_refused(sketch.finish());
  BOOST_TEST(has(why, "m.onnx: 5 of its nodes"), why);
  for (const char* expected :
       {"Elu", "Softplus", "ReduceMean", "mode: got 'linear', supported is nearest", "Tan"})
    BOOST_TEST(has(why, expected), why);
}

BOOST_AUTO_TEST_CASE(constants_may_be_computed_by_what_networks_cannot_do) {
  Sketch sketch({1, 2, 4, 4});
  const std::string factors = sketch.weight("factors", {4}, 1, 1);
  sketch.model.graph.initializers["factors"].as<float>()[2] = 2;
  sketch.model.graph.initializers["factors"].as<float>()[3] = 2;
  const std::string grown = sketch.node("Resize", {sketch.weight("small", {1, 2, 2, 2}), "", factors},
                                        {{"mode", onnx::text_attribute("linear")}});
  sketch.node("Add", {"x", sketch.node("Tanh", {grown})});
  check_import("positions of another size", sketch.finish());
}

BOOST_AUTO_TEST_CASE(inputs_that_are_not_images_of_a_known_size_are_refused) {
  Sketch open({1, 3, -1, 4});
  open.node("Relu", {"x"});
  BOOST_TEST(has(why_refused(open.finish()), "only the first dimension"), why_refused(open.finish()));
  BOOST_TEST(onnx::import_model(open.finish(), "m", quant::Shape{3, 9, 4}).info.nodes[0].output.height == 9);
  Sketch five({1, 3, 2, 2, 2});
  five.node("Relu", {"x"});
  BOOST_TEST(has(why_refused(five.finish()), "5 dimensions"));
  Sketch two({1, 3, 4, 4});
  two.node("Relu", {"x"});
  two.model.graph.inputs.push_back(two.model.graph.inputs[0]);
  two.model.graph.inputs[1].name = "y";
  BOOST_TEST(has(why_refused(two.finish()), "2 inputs"));
  Sketch wide({1, 3, 4, 4});
  wide.node("Conv", {"x", wide.weight("w", {2, 5, 1, 1})});
  BOOST_TEST(has(why_refused(wide.finish()), "a weight of 2x5x1x1"), why_refused(wide.finish()));
  Sketch constant({1, 3, 4, 4});
  constant.node("Relu", {constant.weight("w", {2})});
  BOOST_TEST(has(why_refused(constant.finish()), "does not depend on its input"));
}

BOOST_AUTO_TEST_CASE(spoilt_models_are_refused_or_imported_but_never_crash) {
  base::Rng rng(11);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    onnx::Model model = i % 2 == 0 ? branches() : attention(i % 3 == 0 ? 4 : 1);
    for (std::uint64_t k = 0; k <= rng.below(3); ++k) spoil(model, rng);
    refused += !why_refused(model).empty();
  }
  BOOST_TEST(refused > 1000);
  BOOST_TEST(refused < 3000);
}

BOOST_AUTO_TEST_SUITE_END()
