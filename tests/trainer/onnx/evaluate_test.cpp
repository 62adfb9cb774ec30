#include "trainer/onnx/evaluate.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/onnx/node_calls.hpp"
#include "tests/trainer/onnx/sketch.hpp"
#include "tests/trainer/onnx/small_model.hpp"
#include "trainer/onnx/file.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::tests;
using base::UserError;
using trainer::onnx::evaluate;
using trainer::onnx::Model;

Model parse(const ::onnx::ModelProto& proto) {
  return trainer::onnx::parse_model(proto.SerializeAsString(), "model.onnx", {});
}
}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_evaluate)

BOOST_AUTO_TEST_CASE(a_network_is_its_nodes_one_after_the_other) {
  const Model model = parse(small_model());
  const Tensor x = counted({2, 1, 5, 5});
  const auto& given = model.graph.initializers;
  const Tensor conv =
      compute("Conv", 13, {x, given.at("w"), given.at("b")}, {{"pads", list({1, 1, 1, 1})}})[0];
  const Tensor pool = compute("GlobalAveragePool", 13, {compute("Relu", 13, {conv})[0]})[0];
  const Tensor expected = compute("Gemm", 13, {compute("Flatten", 13, {pool})[0], given.at("fc")})[0];
  const auto got = evaluate(model, {{"x", x}});
  BOOST_REQUIRE_EQUAL(got.size(), 1);
  BOOST_CHECK(got[0].dims == (Dims{2, 3}));
  BOOST_CHECK(got[0].bytes == expected.bytes);
}

BOOST_AUTO_TEST_CASE(results_do_not_depend_on_the_number_of_threads) {
  const Model model = parse(small_model());
  const int before = base::thread_count();
  base::set_thread_count(1);
  const auto alone = evaluate(model, {{"x", counted({2, 1, 5, 5})}});
  base::set_thread_count(3);
  BOOST_CHECK(evaluate(model, {{"x", counted({2, 1, 5, 5})}})[0].bytes == alone[0].bytes);
  base::set_thread_count(before);
}

BOOST_AUTO_TEST_CASE(outputs_may_be_inputs_initializers_and_tensors_that_others_read_too) {
  ::onnx::ModelProto proto = small_model();
  for (const char* name : {"x", "w", "relu"}) add_value(*proto.mutable_graph()->add_output(), name, {});
  for (int o = 1; o < 4; ++o) proto.mutable_graph()->mutable_output(o)->clear_type();
  const Model model = parse(proto);
  const Tensor x = counted({1, 1, 5, 5});
  const auto got = evaluate(model, {{"x", x}});
  BOOST_REQUIRE_EQUAL(got.size(), 4);
  BOOST_CHECK(got[1].bytes == x.bytes);
  BOOST_CHECK(got[2].bytes == model.graph.initializers.at("w").bytes);
  BOOST_CHECK(got[3].dims == (Dims{1, 2, 5, 5}));
}

BOOST_AUTO_TEST_CASE(inputs_must_be_those_of_the_graph) {
  const Model model = parse(small_model());
  const auto refuse = [&](const std::map<std::string, Tensor>& inputs, const char* why) {
    BOOST_CHECK_EXCEPTION(evaluate(model, inputs), UserError, message_has(why));
  };
  const Tensor x = counted({1, 1, 5, 5});
  refuse({}, "input 'x' is missing");
  refuse({{"x", x}, {"X", x}}, "the model has no input 'X', did you mean 'x'?");
  refuse({{"x", counted({1, 1, 5, 5}, ElementType::float64)}}, "input 'x' must be float32, not float64");
  refuse({{"x", counted({1, 1, 5, 4})}}, "input 'x' must be ?x1x5x5, not 1x1x5x4");
  refuse({{"x", counted({1, 25})}}, "must be ?x1x5x5, not 1x25");
}

BOOST_AUTO_TEST_CASE(dims_of_one_name_are_of_one_extent) {
  ::onnx::ModelProto proto = small_model();
  add_value(*proto.mutable_graph()->add_input(), "z", {-1, 2});
  BOOST_CHECK_EXCEPTION(evaluate(parse(proto), {{"x", counted({1, 1, 5, 5})}, {"z", counted({3, 2})}}),
                        UserError, message_has("input 'z' has 3 as 'batch', another has 1"));
}

BOOST_AUTO_TEST_CASE(many_tensors_may_not_take_more_memory_than_a_caller_has) {
  ::onnx::ModelProto proto = small_model();
  auto& all = add_node(*proto.mutable_graph(), "Sum", {}, {"all"});
  for (int i = 0; i < 9; ++i) {
    const std::string name = "copy" + std::to_string(i);
    add_node(*proto.mutable_graph(), "Identity", {"x"}, {name});
    all.add_input(name);
  }
  const Model model = parse(proto);
  const Tensor x = counted({10, 1, 5, 5});
  BOOST_CHECK_EQUAL(evaluate(model, {{"x", x}}).size(), 1);
  BOOST_CHECK_EXCEPTION(
      evaluate(model, {{"x", x}}, 500), UserError,
      message_has({"Identity 'the Identity'", "1000 bytes: ", "are left of what all may take together"}));
}

BOOST_AUTO_TEST_CASE(an_evaluation_takes_no_more_than_minutes) {
  Sketch sketch({1, 64, 4, 4});
  sketch.node("Conv", {"x", sketch.weight("w", {64, 64, 8, 8})},
              {{"pads", trainer::onnx::integers_attribute({1000, 1000, 1000, 1000})}});
  BOOST_CHECK_EXCEPTION(evaluate(sketch.finish(), {{"x", counted({1, 64, 4, 4})}}), UserError,
                        message_has({"Conv 'Conv0': it would take 1e+12 operations, 1.4e+11 are left"}));
}

BOOST_AUTO_TEST_CASE(operators_that_are_not_known_are_told_with_their_node) {
  ::onnx::ModelProto proto = small_model();
  proto.mutable_graph()->mutable_node(1)->set_domain("com.example");
  BOOST_CHECK_EXCEPTION(evaluate(parse(proto), {{"x", counted({1, 1, 5, 5})}}), UserError,
                        message_has("Relu of 'com.example' 'the Relu': operator is not supported"));
}

BOOST_AUTO_TEST_SUITE_END()
