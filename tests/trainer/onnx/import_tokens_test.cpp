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

BOOST_AUTO_TEST_SUITE_END()
