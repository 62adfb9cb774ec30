#include <boost/test/unit_test.hpp>
#include <cmath>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/onnx/node_calls.hpp"

/// Forms of operators that ONNX's test suite (which has the newest of opset 17 and before) does not have.
namespace {
using namespace bitsmith;
using namespace bitsmith::tests;
using base::UserError;

void check(const Tensor& got, const Tensor& expected) {
  BOOST_CHECK_EQUAL(trainer::onnx::element_type_name(got.type),
                    trainer::onnx::element_type_name(expected.type));
  BOOST_CHECK_EQUAL(trainer::onnx::show(got.dims), trainer::onnx::show(expected.dims));
  const auto a = trainer::onnx::to_doubles(got), b = trainer::onnx::to_doubles(expected);
  BOOST_REQUIRE_EQUAL(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    BOOST_CHECK_MESSAGE(a[i] == b[i] || std::abs(a[i] - b[i]) <= 1e-6 * (1 + std::abs(b[i])),
                        i << ": " << a[i] << " instead of " << b[i]);
}

void check(const std::string& op, std::int64_t opset, const std::vector<Tensor>& inputs,
           Attributes attributes, const std::vector<Tensor>& expected) {
  BOOST_TEST_CONTEXT(op << ", opset " << opset) {
    const auto got = compute(op, opset, inputs, std::move(attributes), expected.size());
    for (std::size_t o = 0; o < expected.size(); ++o) check(got[o], expected[o]);
  }
}

void refuse(const std::string& op, std::int64_t opset, const std::vector<Tensor>& inputs,
            Attributes attributes, const char* why) {
  BOOST_CHECK_EXCEPTION(compute(op, opset, inputs, std::move(attributes)), UserError,
                        message_has({op + " 'it': ", why}));
}

const Tensor kLeftOut;
}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_operator_forms)

BOOST_AUTO_TEST_CASE(what_became_an_input_was_an_attribute_before) {
  const Tensor x = floats({3}, {-2, 0.5, 7});
  check("Clip", 10, {x}, {{"min", real(-1)}, {"max", real(6)}}, {floats({3}, {-1, 0.5, 6})});
  check("Clip", 10, {x}, {}, {x});
  check("Clip", 11, {x, kLeftOut, floats({}, {6})}, {}, {floats({3}, {-2, 0.5, 6})});
  const Tensor y = counted({2, 4});
  const Tensor cut = floats({2, 2}, {1, 2, 5, 6});
  check("Slice", 9, {y}, {{"starts", list({1})}, {"ends", list({-1})}, {"axes", list({1})}}, {cut});
  check("Slice", 13, {y, integers({1}), integers({-1}), integers({1})}, {}, {cut});
  const std::vector<Tensor> parts{floats({2, 1}, {0, 4}), floats({2, 3}, {1, 2, 3, 5, 6, 7})};
  check("Split", 11, {y}, {{"axis", integer(1)}, {"split", list({1, 3})}}, parts);
  check("Split", 13, {y, integers({1, 3})}, {{"axis", integer(1)}}, parts);
  check("Squeeze", 11, {counted({1, 3, 1})}, {{"axes", list({0})}}, {counted({3, 1})});
  check("Squeeze", 13, {counted({1, 3, 1}), integers({0})}, {}, {counted({3, 1})});
  check("Unsqueeze", 11, {counted({3})}, {{"axes", list({0, 2})}}, {counted({1, 3, 1})});
  check("Unsqueeze", 13, {counted({3}), integers({0, -1})}, {}, {counted({1, 3, 1})});
  check("ReduceMean", 17, {y}, {{"axes", list({1})}, {"keepdims", integer(0)}}, {floats({2}, {1.5, 5.5})});
  check("ReduceMean", 18, {y, integers({1})}, {{"keepdims", integer(0)}}, {floats({2}, {1.5, 5.5})});
  const Tensor padded = floats({5}, {9, 1, 2, 3, 9});
  check("Pad", 10, {floats({3}, {1, 2, 3})}, {{"pads", list({1, 1})}, {"value", real(9)}}, {padded});
  check("Pad", 13, {floats({3}, {1, 2, 3}), integers({1, 1}), floats({}, {9})}, {}, {padded});
}

BOOST_AUTO_TEST_CASE(no_axes_are_all_or_none) {
  const Tensor x = counted({2, 2});
  check("ReduceSum", 13, {x}, {{"keepdims", integer(0)}}, {floats({}, {6})});
  check("ReduceSum", 13, {x}, {{"noop_with_empty_axes", integer(1)}}, {x});
  check("ReduceMax", 18, {x, integers({})}, {{"noop_with_empty_axes", integer(1)}}, {x});
  check("Squeeze", 13, {counted({1, 3, 1})}, {}, {counted({3})});
}

BOOST_AUTO_TEST_CASE(softmax_flattened_its_input_before_opset_13) {
  const Tensor x = floats({1, 2, 2}, {0, 0, 0, std::log(3)});
  check("Softmax", 12, {x}, {}, {floats({1, 2, 2}, {1. / 6, 1. / 6, 1. / 6, 0.5})});
  check("Softmax", 13, {x}, {{"axis", integer(1)}}, {floats({1, 2, 2}, {0.5, 0.25, 0.5, 0.75})});
  check("Softmax", 13, {x}, {}, {floats({1, 2, 2}, {0.5, 0.5, 0.25, 0.75})});
}

BOOST_AUTO_TEST_CASE(parts_may_be_unequal_since_opset_18) {
  const Tensor x = counted({5});
  check("Split", 18, {x}, {{"num_outputs", integer(2)}}, {floats({3}, {0, 1, 2}), floats({2}, {3, 4})});
  BOOST_CHECK_EXCEPTION(compute("Split", 13, {x}, {}, 2), UserError,
                        message_has("5 elements do not make 2 equal parts"));
}

BOOST_AUTO_TEST_CASE(pads_may_be_of_some_axes_wrap_around_and_cut) {
  const Tensor x = counted({2, 3});
  check("Pad", 18, {x, integers({1, 0}), kLeftOut, integers({-1})}, {},
        {floats({2, 4}, {0, 0, 1, 2, 0, 3, 4, 5})});
  check("Pad", 19, {floats({3}, {1, 2, 3}), integers({2, 4})}, {{"mode", word("wrap")}},
        {floats({9}, {2, 3, 1, 2, 3, 1, 2, 3, 1})});
  check("Pad", 13, {floats({3}, {1, 2, 3}), integers({3, -1})}, {{"mode", word("reflect")}},
        {floats({5}, {2, 3, 2, 1, 2})});
  check("Pad", 13, {floats({3}, {1, 2, 3}), integers({-1, 1})}, {}, {floats({3}, {2, 3, 0})});
}

BOOST_AUTO_TEST_CASE(resizing_had_other_forms) {
  const Tensor x = counted({1, 1, 2});
  const Tensor doubled = floats({1, 1, 4}, {0, 0, 1, 1});
  check("Upsample", 9, {x, floats({3}, {1, 1, 2})}, {}, {doubled});
  check("Resize", 10, {x, floats({3}, {1, 1, 2})}, {}, {doubled});
  check("Resize", 10, {counted({1, 1, 4}), floats({3}, {1, 1, 0.6})}, {}, {floats({1, 1, 2}, {0, 2})});
  check("Resize", 10, {x, floats({3}, {1, 1, 2})}, {{"mode", word("linear")}},
        {floats({1, 1, 4}, {0, 0.5, 1, 1})});
  check("Resize", 11, {x, floats({0}, {}), floats({0}, {}), integers({1, 1, 4})}, {}, {doubled});
  check("Resize", 18, {x, kLeftOut, kLeftOut, integers({4})}, {{"axes", list({2})}}, {doubled});
  const Attributes keeping{{"axes", list({0, 1})}, {"keep_aspect_ratio_policy", word("not_larger")}};
  check("Resize", 18, {counted({1, 2}), kLeftOut, kLeftOut, integers({8, 4})}, keeping,
        {floats({2, 4}, {0, 0, 1, 1, 0, 0, 1, 1})});
  refuse("Resize", 18, {x, kLeftOut, floats({3}, {1, 1, 2})}, {{"antialias", integer(1)}}, "antialiasing");
  refuse("Resize", 13, {x}, {}, "either scales or sizes");
}

BOOST_AUTO_TEST_CASE(gelu_has_two_forms) {
  const Tensor x = floats({2}, {1, -2});
  check("Gelu", 20, {x}, {}, {floats({2}, {0.8413447461, -0.0455002639})});
  check("Gelu", 20, {x}, {{"approximate", word("tanh")}}, {floats({2}, {0.8411919906, -0.0454022998})});
  refuse("Gelu", 20, {x}, {{"approximate", word("fast")}}, "attribute approximate is 'fast'; none, tanh");
}

BOOST_AUTO_TEST_CASE(integers_of_four_and_sixteen_bits_are_quantized_to) {
  const Tensor x = floats({5}, {-9, -0.5, 0.5, 1.5, 9});
  const Tensor scale = floats({}, {0.5});
  for (const auto& [type, zero, expected] :
       {std::tuple{ElementType::int4, 0., std::vector<double>{-8, -1, 1, 3, 7}},
        std::tuple{ElementType::uint4, 8., std::vector<double>{0, 7, 9, 11, 15}},
        std::tuple{ElementType::int16, 0., std::vector<double>{-18, -1, 1, 3, 18}},
        std::tuple{ElementType::uint16, 10., std::vector<double>{0, 9, 11, 13, 28}}}) {
    const Tensor integers = tensor(type, {5}, expected);
    check("QuantizeLinear", 21, {x, scale, tensor(type, {}, {zero})}, {}, {integers});
    std::vector<double> back;
    for (const double value : expected) back.push_back((value - zero) * 0.5);
    check("DequantizeLinear", 21, {integers, scale, tensor(type, {}, {zero})}, {}, {floats({5}, back)});
  }
  check("QuantizeLinear", 21, {x, scale}, {{"output_dtype", integer(3)}},
        {tensor(ElementType::int8, {5}, {-18, -1, 1, 3, 18})});
}

BOOST_AUTO_TEST_CASE(scales_may_be_of_an_axis_or_of_blocks) {
  const Tensor x = tensor(ElementType::int8, {2, 3}, {1, 2, 3, 4, 5, 6});
  check("DequantizeLinear", 13, {x, floats({2}, {1, 10})}, {{"axis", integer(-2)}},
        {floats({2, 3}, {1, 2, 3, 40, 50, 60})});
  check("DequantizeLinear", 21,
        {x, floats({2, 2}, {1, 10, 100, 1000}), tensor(ElementType::int8, {2, 2}, {0, 1, 2, 3})},
        {{"axis", integer(1)}, {"block_size", integer(2)}}, {floats({2, 3}, {1, 2, 20, 200, 300, 3000})});
  refuse("DequantizeLinear", 13, {x, floats({3}, {1, 2, 3})}, {{"axis", integer(0)}},
         "a scale of 3 does not fit axis 0 of 2x3");
  refuse("DequantizeLinear", 21, {x, floats({2, 3}, {1, 2, 3, 4, 5, 6})}, {{"block_size", integer(2)}},
         "2x2 is needed");
}

BOOST_AUTO_TEST_CASE(floats_of_16_bits_are_computed_as_floats_of_32) {
  const auto half = [](std::vector<double> values) {
    return tensor(ElementType::float16, {static_cast<std::int64_t>(values.size())}, values);
  };
  check("Mul", 14, {half({0.5, 3, 60000}), half({3, 0.3330078125, 2})}, {},
        {half({1.5, 0.9990234375, INFINITY})});
  check("Sigmoid", 13, {half({0})}, {}, {half({0.5})});
  const Tensor brain = tensor(ElementType::bfloat16, {2}, {1, 1.0078125});
  check("Add", 14, {brain, brain}, {}, {tensor(ElementType::bfloat16, {2}, {2, 2.015625})});
  check("Cast", 13, {floats({3}, {65519, 65520, 5.9604645e-8})}, {{"to", integer(10)}},
        {half({65504, INFINITY, 5.9604645e-8})});
}

BOOST_AUTO_TEST_CASE(casts_to_integers_are_defined_for_all_values) {
  const Tensor x = floats({6}, {-1.9, 1.9, 300, -1e30, INFINITY, NAN});
  check("Cast", 13, {x}, {{"to", integer(2)}}, {tensor(ElementType::uint8, {6}, {0, 1, 255, 0, 255, 0})});
  check("Cast", 13, {x}, {{"to", integer(9)}}, {tensor(ElementType::boolean, {6}, {1, 1, 1, 1, 1, 1})});
  check("Cast", 21, {x}, {{"to", integer(22)}}, {tensor(ElementType::int4, {6}, {-1, 1, 7, -8, 7, 0})});
  check("Cast", 13, {tensor(ElementType::int32, {2}, {257, -1})}, {{"to", integer(2)}},
        {tensor(ElementType::uint8, {2}, {1, 255})});
  refuse("Cast", 13, {x}, {{"to", integer(8)}}, "casts to ONNX type 8 are not supported");
}

BOOST_AUTO_TEST_CASE(constants_have_many_forms) {
  check("Constant", 13, {}, {{"value", value(counted({2}))}}, {counted({2})});
  check("Constant", 13, {}, {{"value_float", real(1.5)}}, {floats({}, {1.5})});
  check("Constant", 13, {}, {{"value_int", integer(7)}}, {tensor(ElementType::int64, {}, {7})});
  check("Constant", 13, {}, {{"value_ints", list({7, 8})}}, {integers({7, 8})});
  Attribute reals;
  reals.kind = Attribute::Kind::reals;
  reals.reals = {1, 2};
  check("Constant", 13, {}, {{"value_floats", reals}}, {floats({2}, {1, 2})});
  refuse("Constant", 13, {}, {{"value_string", word("a")}},
         "a value in attribute 'value_string' is not supported");
  refuse("Constant", 13, {}, {{"sparse_value", Attribute{}}}, "'sparse_value' is not supported");
}

BOOST_AUTO_TEST_CASE(integers_wrap_around_and_divide_towards_zero) {
  const auto bytes = [](std::vector<double> values) {
    return tensor(ElementType::int8, {static_cast<std::int64_t>(values.size())}, values);
  };
  check("Add", 14, {bytes({127}), bytes({1})}, {}, {bytes({-128})});
  check("Neg", 13, {bytes({-128})}, {}, {bytes({-128})});
  check("Div", 14, {bytes({-7, -128}), bytes({2, -1})}, {}, {bytes({-3, -128})});
  check("Mod", 13, {bytes({-7, 7}), bytes({3, -3})}, {}, {bytes({2, -2})});
  check("Mod", 13, {bytes({-7, 7}), bytes({3, -3})}, {{"fmod", integer(1)}}, {bytes({-1, 1})});
  check("Pow", 13, {bytes({2, 3}), bytes({7, 2})}, {}, {bytes({-128, 9})});
  refuse("Div", 14, {bytes({1}), bytes({0})}, {}, "divides an integer by zero");
}

BOOST_AUTO_TEST_CASE(what_would_be_too_large_is_refused_before_it_is_made) {
  const double huge = std::pow(2., 40);
  refuse("ConstantOfShape", 13, {integers({huge, huge})}, {}, "at most 1073741824 elements");
  refuse("Expand", 13, {floats({1}, {1}), integers({huge})}, {}, "shape is");
  refuse("Tile", 13, {counted({4}), integers({huge})}, {}, "repeats");
  refuse("Pad", 13, {counted({4}), integers({huge, 0})}, {}, "too large");
  const Tensor start = tensor(ElementType::int64, {}, {0}), one = tensor(ElementType::int64, {}, {1});
  refuse("Range", 13, {start, tensor(ElementType::int64, {}, {huge}), one}, {}, "elements, at most");
  refuse("Range", 13, {start, one, start}, {}, "its step is 0");
  refuse("Resize", 13, {counted({1, 1, 4}), kLeftOut, floats({3}, {1, 1, 1e30})}, {},
         "scaled by 1e+30 is none");
  refuse("MaxPool", 13, {counted({1, 1, 4})},
         {{"kernel_shape", list({1 << 30})}, {"pads", list({1 << 30, 1 << 30})}},
         "padding is as large as its window");
  refuse("AveragePool", 13, {counted({1, 1, 4})}, {{"kernel_shape", list({0})}}, "extents must be positive");
  refuse("Conv", 13, {counted({1, 1, 4}), counted({1, 1, 3})}, {{"strides", list({0})}},
         "attribute strides is 0");
  refuse("Conv", 13, {counted({1, 1, 4}), counted({1, 1, 5})}, {},
         "reaches over 5 elements, the padded input has 4");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_told) {
  const Tensor x = counted({2, 3});
  refuse("Add", 14, {x, counted({2})}, {}, "2x3 and 2 do not broadcast");
  refuse("Add", 14, {x, counted({3}, ElementType::int64)}, {}, "of one type, not float32 and int64");
  refuse("Add", 14, {x}, {}, "input 1 is missing");
  refuse("MatMul", 13, {x, x}, {}, "2x3 by 2x3 is no product");
  refuse("Concat", 13, {x, counted({3, 3})}, {{"axis", integer(1)}}, "do not join along axis 1");
  refuse("Reshape", 13, {x, integers({4, -1})}, {}, "2x3 does not become 4x?");
  refuse("Transpose", 13, {x}, {{"perm", list({0, 0})}}, "axis 0 is given more than once");
  refuse("Softmax", 13, {x}, {{"axis", integer(2)}}, "axis 2 is none of 2 axes");
  refuse("Gather", 13, {x, integers({2})}, {}, "index 2 is none of 2");
  refuse("Flatten", 13, {x}, {{"axis", word("one")}}, "attribute 'axis' must be an integer");
  refuse("Relu", 13, {tensor(ElementType::boolean, {1}, {1})}, {}, "it does not take bool");
  refuse("Loop", 13, {x}, {}, "operator is not supported");
  const Tensor one = counted({3});
  refuse("BatchNormalization", 14, {x, one, one, one, one}, {{"training_mode", integer(1)}},
         "statistics of the batch (training) are not computed");
  refuse("BatchNormalization", 13, {x, one, one, one, floats({3}, {1, -1, 1})}, {}, "a variance is -1");
  refuse("QuantizeLinear", 13, {x, floats({}, {0})}, {}, "it must be a finite number above 0");
  refuse("Dropout", 13, {x, floats({}, {0.5}), tensor(ElementType::boolean, {}, {1})}, {},
         "training is not computed");
}

BOOST_AUTO_TEST_CASE(the_table_has_each_operator_once) {
  const auto rows = trainer::onnx::operator_rows();
  for (std::size_t r = 1; r < rows.size(); ++r) BOOST_CHECK_LT(rows[r - 1].name, rows[r].name);
  BOOST_CHECK(trainer::onnx::find_operator("", "Conv") != nullptr);
  BOOST_CHECK(trainer::onnx::find_operator("com.microsoft", "Conv") == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
