// Tokens: how inputs and attention's tensors are seen.

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "tests/trainer/onnx/import_check.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "trainer/onnx/graph_writer.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using tests::check_import;
using tests::has;
using tests::Sketch;
using tests::why_refused;

onnx::Attributes order(std::vector<std::int64_t> perm) {
  return {{"perm", onnx::integers_attribute(std::move(perm))}};
}

/// PyTorch's nn.MultiheadAttention of 2 heads over 5 tokens of 8 features: tokens before the batch, which is
/// in one dimension with the heads.
std::string multi_head_attention(Sketch& sketch, const std::string& tokens, std::int64_t n, bool split) {
  std::string x = sketch.node("Transpose", {tokens}, order({1, 0, 2}));
  x = sketch.node("MatMul", {x, sketch.weight("in", {8, 24})});
  x = sketch.node("Add", {sketch.weight("in.bias", {24}), x});
  std::vector<std::string> parts;
  if (split) {
    x = sketch.node("Split", {x, sketch.numbers("thirds", {8, 8, 8})},
                    {{"axis", onnx::integer_attribute(-1)}}, 3);
    for (const std::string end : {"0", "1", "2"}) parts.push_back(x.substr(0, x.size() - 1) + end);
  } else {
    for (std::int64_t i = 0; i < 3; ++i)
      parts.push_back(sketch.node(
          "Slice", {x, sketch.numbers("from" + std::to_string(i), {8 * i}),
                    sketch.numbers("to" + std::to_string(i), {8 * i + 8}), sketch.numbers("last", {-1})}));
  }
  const std::string apart = sketch.numbers("apart", {5, 2 * n, 4});
  for (std::string& part : parts) part = sketch.node("Reshape", {part, apart});
  const std::string queries =
      sketch.node("Div", {sketch.node("Transpose", {parts[0]}, order({1, 0, 2})), sketch.value("two", 2)});
  const std::string keys = sketch.node("Transpose", {parts[1]}, order({1, 2, 0}));
  const std::string values = sketch.node("Transpose", {parts[2]}, order({1, 0, 2}));
  x = sketch.node("Softmax", {sketch.node("MatMul", {queries, keys})});
  x = sketch.node("Transpose", {sketch.node("MatMul", {x, values})}, order({1, 0, 2}));
  x = sketch.node("Reshape", {x, sketch.numbers("rows", {5 * n, 8})});
  x = sketch.node("Gemm", {x, sketch.weight("out.weight", {8, 8}), sketch.weight("out.bias", {8})},
                  {{"transB", onnx::integer_attribute(1)}});
  x = sketch.node("Reshape", {x, sketch.numbers("tokens", {5, n, 8})});
  return sketch.node("Transpose", {x}, order({1, 0, 2}));
}

/// A vision transformer of one layer with all of it: a class token, norms written out, the class token's
/// features as the output.
onnx::Model transformer(std::int64_t n) {
  Sketch sketch({n, 3, 4, 4});
  sketch.node("Conv", {"x", sketch.weight("patches.weight", {8, 3, 2, 2})},
              {{"strides", onnx::integers_attribute({2, 2})}});
  sketch.node("Reshape", {sketch.last, sketch.numbers("flat", {n, 8, 4})});
  const std::string patches = sketch.node("Transpose", {sketch.last}, order({0, 2, 1}));
  const std::string first =
      sketch.node("Expand", {sketch.weight("class", {1, 1, 8}), sketch.numbers("all", {n, 1, 8})});
  const std::string tokens = sketch.node("Concat", {first, patches}, {{"axis", onnx::integer_attribute(1)}});
  const onnx::Attributes axes = {{"axes", onnx::integers_attribute({-1})}};
  const std::string centred = sketch.node("Sub", {tokens, sketch.node("ReduceMean", {tokens}, axes)});
  const std::string square = sketch.node("Pow", {centred, sketch.value("square", 2)});
  const std::string variance = sketch.node("ReduceMean", {square}, axes);
  const std::string root =
      sketch.node("Sqrt", {sketch.node("Add", {variance, sketch.value("epsilon", 1e-5f)})});
  const std::string norm =
      sketch.node("Mul", {sketch.node("Div", {centred, root}), sketch.weight("n.weight", {8})});
  const std::string mixed =
      multi_head_attention(sketch, sketch.node("Add", {norm, sketch.weight("n.bias", {8})}), n, false);
  sketch.node("Add", {tokens, mixed});
  const std::int64_t index = 0;
  sketch.model.graph.initializers["index"] = onnx::Tensor::of({}, std::span<const std::int64_t>(&index, 1));
  sketch.node("Gather", {sketch.last, "index"}, {{"axis", onnx::integer_attribute(1)}});
  sketch.node("Gemm", {sketch.last, sketch.weight("head", {8, 3})});
  return sketch.finish();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_import_tokens)

BOOST_AUTO_TEST_CASE(the_first_reader_says_which_dimension_of_an_input_is_the_channels) {
  Sketch product({1, 5, 3});
  product.node("Add", {"x", product.weight("position", {1, 5, 3})});
  product.node("MatMul", {product.last, product.weight("w", {3, 4})});
  check_import("tokens of a product", product.finish());
  const quant::Shape tokens = onnx::import_model(product.finish(), "m").info.nodes[0].output;
  BOOST_CHECK((tokens == quant::Shape{3, 1, 5}));

  Sketch norm({1, 5, 3});
  norm.node("LayerNormalization", {"x", norm.weight("n.weight", {3}), norm.weight("n.bias", {3})});
  check_import("tokens of a norm", norm.finish());

  Sketch convolution({1, 5, 3});
  convolution.node("Conv", {"x", convolution.weight("w", {4, 5, 2})});
  BOOST_TEST(onnx::import_model(convolution.finish(), "m").info.nodes[0].output.channels == 5);

  Sketch transposed({1, 5, 3});
  transposed.node("Conv",
                  {transposed.node("Transpose", {"x"}, order({0, 2, 1})), transposed.weight("w", {4, 3, 2})});
  check_import("tokens that are transposed", transposed.finish());
  BOOST_TEST(onnx::import_model(transposed.finish(), "m").info.nodes[0].output.channels == 3);

  Sketch last({1, 4, 6, 3});
  last.node("Conv", {last.node("Transpose", {"x"}, order({0, 3, 1, 2})), last.weight("w", {5, 3, 3, 2})});
  last.node("Transpose", {last.last}, order({0, 2, 3, 1}));
  check_import("N,H,W,C", last.finish());
  BOOST_CHECK((onnx::import_model(last.finish(), "m").info.nodes[0].output == quant::Shape{3, 4, 6}));

  Sketch open({-1, -1, 3});
  open.node("MatMul", {"x", open.weight("w", {3, 4})});
  BOOST_TEST(has(why_refused(open.finish()), "only the first dimension"), why_refused(open.finish()));
  BOOST_TEST(onnx::import_model(open.finish(), "m", quant::Shape{3, 1, 7}).info.nodes[0].output.width == 7);
}

BOOST_AUTO_TEST_CASE(tokens_of_one_feature_get_others_where_that_was) {
  for (const std::int64_t tokens : {1, 5}) {
    Sketch sketch({1, tokens, 1});
    sketch.node("MatMul", {"x", sketch.weight("w", {1, 4})});
    check_import("last", sketch.finish());
    Sketch aside({1, tokens, 1});
    aside.node("Transpose", {"x"}, order({1, 0, 2}));
    aside.node("MatMul", {aside.last, aside.weight("w", {1, 4})});
    aside.node("Transpose", {aside.last}, order({1, 0, 2}));
    check_import("tokens before the batch", aside.finish());
    Sketch rows({1, tokens, 1});
    rows.node("LayerNormalization", {"x", rows.weight("n", {1}), rows.weight("n.bias", {1})});
    rows.node("Transpose", {rows.last}, order({1, 0, 2}));
    rows.node("Reshape", {rows.last, rows.numbers("rows", {tokens, 1})});
    rows.node("Gemm", {rows.last, rows.weight("w", {1, 4})});
    rows.node("Reshape", {rows.last, rows.numbers("tokens", {tokens, 1, 4})});
    rows.node("Transpose", {rows.last}, order({1, 0, 2}));
    check_import("rows", rows.finish());
  }
}

BOOST_AUTO_TEST_CASE(attention_with_tokens_before_the_batch_becomes_products_of_heads) {
  for (const std::int64_t n : {1, 3})
    for (const bool split : {false, true}) {
      Sketch sketch({n, 5, 8});
      const std::string mixed = multi_head_attention(sketch, "x", n, split);
      sketch.node("Add", {"x", mixed});
      check_import("attention", sketch.finish());
      sketch.node("ReduceMean", {sketch.last},
                  {{"axes", onnx::integers_attribute({1})}, {"keepdims", onnx::integer_attribute(0)}});
      check_import("and the mean of tokens", sketch.finish());
    }
}

BOOST_AUTO_TEST_CASE(constant_tokens_are_joined_to_computed_ones) {
  for (const std::int64_t n : {1, 3})
    for (const bool behind : {false, true}) {
      Sketch sketch({n, 3, 4, 6});
      sketch.node("Conv", {"x", sketch.weight("patches.weight", {8, 3, 2, 2})},
                  {{"strides", onnx::integers_attribute({2, 2})}});
      sketch.node("Reshape", {sketch.last, sketch.numbers("flat", {n, 8, 6})});
      const std::string tokens = sketch.node("Transpose", {sketch.last}, order({0, 2, 1}));
      const std::string first =
          sketch.node("Expand", {sketch.weight("class", {1, 1, 8}), sketch.numbers("all", {n, 1, 8})});
      std::vector<std::string> parts = {first, tokens};
      if (behind) parts.push_back(sketch.node("Expand", {sketch.weight("last", {1, 2, 8}), "all"}));
      sketch.node("Concat", parts, {{"axis", onnx::integer_attribute(1)}});
      sketch.node("Add", {sketch.last, sketch.weight("position", {1, behind ? 9 : 7, 8})});
      check_import("class token", sketch.finish());
    }
  Sketch rows({1, 3, 4, 6});
  rows.node("Concat", {"x", rows.weight("row", {1, 3, 1, 6})}, {{"axis", onnx::integer_attribute(2)}});
  BOOST_TEST(has(why_refused(rows.finish()), "tokens, one after the other"), why_refused(rows.finish()));
  Sketch wide({1, 5, 8});
  wide.node("MatMul", {"x", wide.weight("w", {8, 8})});
  wide.node("Concat", {wide.last, wide.weight("token", {1, 1, 1})}, {{"axis", onnx::integer_attribute(1)}});
  BOOST_TEST(has(why_refused(wide.finish()), "a constant of 1x1x1 to 1x5x8"), why_refused(wide.finish()));
}

BOOST_AUTO_TEST_CASE(the_first_token_can_be_taken_and_no_other) {
  for (const std::int64_t index : {0, 2}) {
    Sketch sketch({1, 3, 4, 4});
    sketch.node("Conv", {"x", sketch.weight("patches.weight", {6, 3, 2, 2})},
                {{"strides", onnx::integers_attribute({2, 2})}});
    sketch.node("Reshape", {sketch.last, sketch.numbers("flat", {0, 6, 4})});
    sketch.node("Transpose", {sketch.last}, order({0, 2, 1}));
    sketch.model.graph.initializers["index"] = onnx::Tensor::of({}, std::span<const std::int64_t>(&index, 1));
    sketch.node("Gather", {sketch.last, "index"}, {{"axis", onnx::integer_attribute(1)}});
    sketch.node("Gemm", {sketch.last, sketch.weight("head", {6, 2})});
    if (index == 0)
      check_import("first token", sketch.finish());
    else
      BOOST_TEST(has(why_refused(sketch.finish()), "number 2 of 4"), why_refused(sketch.finish()));
  }
}

BOOST_AUTO_TEST_CASE(runs_of_the_outermost_channels_are_taken_by_whichever_operator) {
  for (const std::string op : {"Split", "Gather", "Slice"}) {
    Sketch sketch({1, 12, 2, 3});
    sketch.node("Reshape", {"x", sketch.numbers("apart", {0, 3, 4, 2, 3})});
    sketch.node("Transpose", {sketch.last}, order({1, 0, 2, 3, 4}));
    const onnx::Attributes axis = {{"axis", onnx::integer_attribute(0)}};
    if (op == "Split") {
      sketch.node(op, {sketch.last, sketch.numbers("sizes", {2, 1})}, axis, 2);
    } else if (op == "Gather") {
      sketch.node(op, {sketch.last, sketch.numbers("indices", {1, 2})}, axis);
    } else {
      sketch.node(op, {sketch.last, sketch.numbers("from", {-2}), sketch.numbers("to", {9}),
                       sketch.numbers("axes", {0})});
    }
    sketch.node("Transpose", {sketch.last}, order({1, 0, 2, 3, 4}));
    sketch.node("Reshape", {sketch.last, sketch.numbers("together", {0, 8, 2, 3})});
    sketch.node("Conv", {sketch.last, sketch.weight("c.weight", {2, 8, 1, 1})});
    check_import(op, sketch.finish());
  }
}

BOOST_AUTO_TEST_CASE(a_vision_transformer_with_a_class_token_is_imported) {
  for (const std::int64_t n : {1, 4}) check_import("transformer", transformer(n));
}

BOOST_AUTO_TEST_CASE(spoilt_transformers_are_refused_or_imported_but_never_crash) {
  base::Rng rng(5);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    onnx::Model model = transformer(i % 2 == 0 ? 4 : 1);
    for (std::uint64_t k = 0; k <= rng.below(3); ++k) tests::spoil(model, rng);
    refused += !why_refused(model).empty();
  }
  BOOST_TEST(refused > 500);
  BOOST_TEST(refused < 2000);
}

BOOST_AUTO_TEST_SUITE_END()
