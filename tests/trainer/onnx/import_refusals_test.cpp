// Nodes that an import refuses by name, which would be computed wrongly or for hours.
#include <boost/test/unit_test.hpp>

#include <string>

#include "tests/trainer/onnx/import_check.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "trainer/onnx/graph_writer.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using onnx::Attributes;
using tests::has;
using tests::Sketch;
using tests::why_refused;

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_import_refusals)

BOOST_AUTO_TEST_CASE(training_is_no_inference) {
  const auto norm = [](std::int64_t opset, Attributes attributes, int outputs, float variance) {
    Sketch sketch({1, 3, 4, 4}, opset);
    sketch.weight("v", {3}, variance, variance);
    const std::string w = sketch.weight("w", {3});
    sketch.node("BatchNormalization", {"x", w, w, w, "v"}, std::move(attributes), outputs);
    return why_refused(sketch.finish());
  };
  BOOST_TEST(norm(13, {}, 1, 1) == "");
  const std::string named = "BatchNormalization 'BatchNormalization0': it is in training mode";
  BOOST_TEST(has(norm(13, {}, 5, 1), named), norm(13, {}, 5, 1));
  BOOST_TEST(has(norm(15, {{"training_mode", onnx::integer_attribute(1)}}, 1, 1), named));
  BOOST_TEST(has(norm(15, {}, 1, -1), "a variance is negative"));
  Sketch dropout({1, 3, 4, 4});
  onnx::Tensor yes = onnx::Tensor::make(onnx::ElementType::boolean, {});
  yes.bytes[0] = std::byte{1};
  dropout.model.graph.initializers["yes"] = yes;
  dropout.node("Dropout", {"x", dropout.value("ratio", 0.5f), "yes"});
  BOOST_TEST(has(why_refused(dropout.finish()), "'Dropout0': it is in training mode"));
}

BOOST_AUTO_TEST_CASE(constants_take_no_more_than_seconds_to_fold) {
  Sketch product({1, 3, 4, 4});
  const std::string ones = product.node("ConstantOfShape", {product.numbers("dims", {2048, 2048})});
  product.node("Add", {"x", product.node("ReduceMean", {product.node("MatMul", {ones, ones})})});
  BOOST_TEST(has(why_refused(product.finish()), "'MatMul1': it would take 8.6e+09 operations"),
             why_refused(product.finish()));
}

BOOST_AUTO_TEST_SUITE_END()
