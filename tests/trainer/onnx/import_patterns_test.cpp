#include "trainer/onnx/import_patterns.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "tests/trainer/onnx/import_check.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "trainer/onnx/graph_writer.hpp"

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;
using onnx::Dims;
using tests::check_import;
using tests::has;
using tests::Sketch;
using tests::why_refused;

std::string mean(Sketch& sketch, std::string x, std::int64_t axis) {
  if (sketch.model.opset >= 18)
    return sketch.node("ReduceMean", {x, sketch.numbers("axes" + std::to_string(axis), {axis})});
  return sketch.node("ReduceMean", {x}, {{"axes", onnx::integers_attribute({axis})}});
}

struct Norm {
  std::int64_t axis = -1;
  bool power = true, twice = false;
};

/// A layer norm without factors, in the operators of opset 1.
std::string norm(Sketch& sketch, std::string x, const Norm& form) {
  const std::string centred = sketch.node("Sub", {x, mean(sketch, x, form.axis)});
  const std::string again =
      form.twice ? sketch.node("Sub", {x, mean(sketch, x, form.axis)}) : std::string(centred);
  const std::string square =
      form.power ? sketch.node("Pow", {again, sketch.value("two", 2)}) : sketch.node("Mul", {again, again});
  const std::string variance = mean(sketch, square, form.axis);
  const std::string root =
      sketch.node("Sqrt", {sketch.node("Add", {variance, sketch.value("epsilon", 1e-3f)})});
  return sketch.node("Div", {centred, root});
}

std::vector<quant::Op> operations(const onnx::Model& model) {
  std::vector<quant::Op> found;
  for (const quant::Node& node : onnx::import_model(model, "m").info.nodes) found.push_back(node.op);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_import_patterns)

BOOST_AUTO_TEST_CASE(a_layer_norm_that_is_written_out_is_one_operation) {
  const std::vector<quant::Op> one = {quant::Op::input, quant::Op::layer_norm};
  for (const std::int64_t opset : {11, 17, 18})
    for (const Norm& form : {Norm{}, Norm{.power = false}, Norm{.twice = true}, Norm{.axis = 1}}) {
      Sketch sketch({1, 6, 4, 5}, opset);
      if (form.axis == -1)
        sketch.node("Transpose", {"x"}, {{"perm", onnx::integers_attribute({0, 2, 3, 1})}});
      const Dims dims = form.axis == -1 ? Dims{6} : Dims{6, 1, 1};
      norm(sketch, sketch.last, form);
      sketch.node("Mul", {sketch.last, sketch.weight("norm1.weight", dims)});
      sketch.node("Add", {sketch.weight("norm1.bias", dims), sketch.last});
      const onnx::Model model = sketch.finish();
      check_import("layer norm", model);
      BOOST_CHECK(operations(model) == one);
      BOOST_TEST(onnx::import_model(model, "m").info.nodes[1].name == "norm1");
    }
  Sketch bare({1, 6, 4, 5});
  norm(bare, "x", {.axis = 1});
  check_import("without factors", bare.finish());
  BOOST_CHECK(operations(bare.finish()) == one);
}

BOOST_AUTO_TEST_CASE(what_is_read_inside_a_pattern_stays_written_out) {
  Sketch sketch({1, 6, 4, 5});
  norm(sketch, "x", {.axis = 1});
  const std::string centred = sketch.model.graph.nodes[1].outputs[0];
  sketch.node("Add", {sketch.last, centred});
  BOOST_TEST(has(why_refused(sketch.finish()), "ReduceMean"), why_refused(sketch.finish()));
  Sketch other({1, 6, 4, 5});
  norm(other, "x", {.axis = 1});
  for (onnx::Node& node : other.model.graph.nodes)
    if (node.op == "Pow") other.model.graph.initializers["two"].as<float>()[0] = 3;
  BOOST_TEST(has(why_refused(other.finish()), "ReduceMean"), why_refused(other.finish()));
}

BOOST_AUTO_TEST_CASE(the_exact_gelu_that_is_written_out_is_one_operation) {
  for (int form = 0; form < 4; ++form) {
    Sketch sketch({1, 6, 4, 5});
    const std::string x = sketch.node("Conv", {"x", sketch.weight("c.weight", {6, 6, 1, 1})});
    const std::string inner = form % 2 == 0 ? sketch.node("Div", {x, sketch.value("root", 1.41421356f)})
                                            : sketch.node("Mul", {sketch.value("inverse", 0.70710678f), x});
    const std::string twice = sketch.node("Add", {sketch.value("one", 1), sketch.node("Erf", {inner})});
    const std::string half = sketch.value("half", 0.5f);
    if (form == 0) sketch.node("Mul", {sketch.node("Mul", {x, twice}), half});
    if (form == 1) sketch.node("Mul", {sketch.node("Mul", {half, x}), twice});
    if (form == 2) sketch.node("Mul", {x, sketch.node("Mul", {twice, half})});
    // Another factor: no GELU, and computed as it is written.
    if (form == 3) sketch.node("Mul", {sketch.node("Mul", {x, twice}), sketch.value("third", 0.3f)});
    check_import("gelu", sketch.finish());
    const std::vector<quant::Op> one = {quant::Op::input, quant::Op::conv, quant::Op::gelu};
    BOOST_TEST((operations(sketch.finish()) == one) == (form != 3));
  }
}

BOOST_AUTO_TEST_SUITE_END()
