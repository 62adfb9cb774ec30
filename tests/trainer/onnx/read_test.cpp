#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <functional>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/random.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/onnx/small_model.hpp"
#include "trainer/onnx/evaluate.hpp"
#include "trainer/onnx/file.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer::onnx;
using base::UserError;
using ::onnx::ModelProto;
using tests::message_has;
using tests::small_model;
using tests::TemporaryFolder;

Model parse(const ModelProto& proto, const std::filesystem::path& folder = {}) {
  return parse_model(proto.SerializeAsString(), "model.onnx", folder);
}

/// The small model, spoilt, is refused with a message that has these parts.
void check_refused(const std::function<void(ModelProto&)>& spoil, std::vector<std::string> parts,
                   const std::filesystem::path& folder = {}) {
  ModelProto proto = small_model();
  spoil(proto);
  parts.insert(parts.begin(), "model.onnx");
  BOOST_CHECK_EXCEPTION(parse(proto, folder), UserError, message_has(parts));
}

::onnx::TensorProto& weight(ModelProto& proto) { return *proto.mutable_graph()->mutable_initializer(0); }

void set_entry(::onnx::TensorProto& tensor, const std::string& key, const std::string& value) {
  auto& entry = *tensor.add_external_data();
  entry.set_key(key);
  entry.set_value(value);
}

/// The weight's 18 values are in a file.
void move_out(::onnx::TensorProto& tensor, const std::string& location) {
  tensor.clear_float_data();
  tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
  set_entry(tensor, "location", location);
}
}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_read)

BOOST_AUTO_TEST_CASE(a_model_is_read_as_its_file_says) {
  const Model model = parse(small_model());
  BOOST_CHECK_EQUAL(model.opset, 13);
  BOOST_CHECK_EQUAL(model.ir_version, 8);
  BOOST_CHECK_EQUAL(model.producer_name, "a test");
  const Graph& graph = model.graph;
  BOOST_CHECK_EQUAL(graph.nodes.size(), 5);
  BOOST_CHECK_EQUAL(graph.nodes[0].title(), "Conv 'the Conv'");
  BOOST_CHECK(graph.nodes[0].integers("pads", {}) == (std::vector<std::int64_t>{1, 1, 1, 1}));
  BOOST_REQUIRE_EQUAL(graph.inputs.size(), 1);
  BOOST_CHECK(graph.inputs[0].dims == (Dims{-1, 1, 5, 5}));
  BOOST_CHECK_EQUAL(graph.inputs[0].dim_names[0], "batch");
  BOOST_CHECK_EQUAL(graph.initializers.size(), 3);
  BOOST_CHECK_EQUAL(graph.initializers.at("w").as<float>()[2], 0.0F);
}

BOOST_AUTO_TEST_CASE(a_model_and_its_external_data_are_read_from_files) {
  const TemporaryFolder folder;
  ModelProto proto = small_model();
  std::string values(8, 'x');
  for (int i = 0; i < 18; ++i) values.append("\0\0\x80\x3f", 4);
  base::replace_file(folder / "weights.bin", values);
  move_out(weight(proto), "weights.bin");
  set_entry(weight(proto), "offset", "8");
  set_entry(weight(proto), "length", "72");
  base::replace_file(folder / "model.onnx", proto.SerializeAsString());
  const Model model = read_model(folder / "model.onnx");
  for (const float value : model.graph.initializers.at("w").as<float>()) BOOST_CHECK_EQUAL(value, 1.0F);
}

BOOST_AUTO_TEST_CASE(external_data_outside_of_the_models_folder_is_refused) {
  const TemporaryFolder folder, elsewhere;
  base::replace_file(elsewhere / "secret", std::string(72, 's'));
  base::replace_file(folder / "short.bin", std::string(71, 's'));
  std::filesystem::create_directory(folder / "inside");
  std::filesystem::create_symlink(elsewhere / "secret", folder / "link");
  const auto refuse = [&](const std::string& location, const char* why) {
    check_refused([&](ModelProto& proto) { move_out(weight(proto), location); }, {"tensor 'w'", why},
                  folder.path());
  };
  refuse((elsewhere / "secret").string(), "only files in the model's folder");
  refuse("../secret", "only files in the model's folder");
  refuse("inside/../../secret", "only files in the model's folder");
  refuse("link", "it is a link out of the model's folder");
  refuse("inside", "it is no regular file");
  refuse("nowhere", "No such file");
  refuse("", "names no file");
  refuse(std::string("short.bin\0", 10), "names no file");
  refuse("short.bin", "is 72 bytes from byte 0 on, but 'short.bin' has 71");
}

BOOST_AUTO_TEST_CASE(external_data_that_is_not_where_it_should_be_is_refused) {
  const TemporaryFolder folder;
  base::replace_file(folder / "weights.bin", std::string(80, '\0'));
  const auto refuse = [&](const std::string& key, const std::string& value, const char* why) {
    check_refused(
        [&](ModelProto& proto) {
          move_out(weight(proto), "weights.bin");
          set_entry(weight(proto), key, value);
        },
        {why}, folder.path());
  };
  refuse("offset", "9", "from byte 9 on, but 'weights.bin' has 80");
  refuse("offset", "18446744073709551615", "but 'weights.bin' has 80");
  refuse("offset", "-8", "offset of its external data must be a number, not '-8'");
  refuse("offset", "8 ", "must be a number");
  refuse("length", "71", "its external data is '71' bytes, its dims ask for 72");
  refuse("length", "18446744073709551616", "must be a number");
  check_refused([&](ModelProto& proto) { move_out(weight(proto), "weights.bin"); },
                {"the model is not a file"});
  check_refused(
      [&](ModelProto& proto) {
        move_out(weight(proto), "weights.bin");
        weight(proto).add_float_data(1);
      },
      {"it has data both here and outside"}, folder.path());
}

BOOST_AUTO_TEST_CASE(versions_that_are_not_known_are_refused) {
  const auto with_opset = [](std::int64_t version) {
    return [=](ModelProto& proto) { proto.mutable_opset_import(0)->set_version(version); };
  };
  for (const std::int64_t opset : {kOldestOpset, kNewestOpset}) {
    ModelProto proto = small_model();
    with_opset(opset)(proto);
    BOOST_CHECK_EQUAL(parse(proto).opset, opset);
  }
  check_refused(with_opset(8), {"is of ONNX opset 8; 9 to 21 are supported"});
  check_refused(with_opset(22), {"is of ONNX opset 22; 9 to 21 are supported"});
  check_refused(with_opset(-1), {"opset -1"});
  check_refused([](ModelProto& proto) { proto.clear_opset_import(); }, {"does not say which ONNX opset"});
  check_refused([](ModelProto& proto) { proto.add_opset_import()->set_version(13); },
                {"says more than once which operators of 'ai.onnx'"});
  check_refused([](ModelProto& proto) { proto.set_ir_version(2); }, {"version 2 of the ONNX format", "3 to"});
  check_refused([](ModelProto& proto) { proto.set_ir_version(99); }, {"version 99 of the ONNX format"});
  check_refused([](ModelProto& proto) { proto.clear_graph(); }, {"holds no graph"});
  check_refused([](ModelProto& proto) { proto.add_functions()->set_name("swish"); },
                {"has 1 functions of its own, 'swish' among them", "inline"});
}

BOOST_AUTO_TEST_CASE(dims_and_bytes_that_do_not_agree_are_refused_before_anything_is_allocated) {
  const auto with_dims = [](std::vector<std::int64_t> dims) {
    return [=](ModelProto& proto) {
      weight(proto).clear_dims();
      for (const std::int64_t extent : dims) weight(proto).add_dims(extent);
    };
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  check_refused(with_dims({2, 1, 3, 4}), {"tensor 'w': it has 18 values, 2x1x3x4 of float32 asks for 24"});
  check_refused(with_dims({2, -1, 3, 3}), {"tensor 'w': dims 2x?x3x3", "none negative"});
  check_refused(with_dims({kHuge}), {"tensor 'w': dims 4611686018427387904", "at most 1073741824 elements"});
  check_refused(with_dims({kHuge, kHuge, 16}), {"at most 1073741824 elements"});
  check_refused(with_dims({0, kHuge, kHuge}), {"at most 1073741824 elements"});
  check_refused(with_dims({1 << 30}), {"it has 18 values, 1073741824 of float32 asks for 1073741824"});
  check_refused(with_dims(std::vector<std::int64_t>(33, 1)), {"up to 32 of them"});
  check_refused([](ModelProto& proto) { weight(proto).clear_float_data(); }, {"it has 0 values"});
  check_refused(
      [](ModelProto& proto) {
        weight(proto).clear_float_data();
        weight(proto).set_raw_data(std::string(71, '\0'));
      },
      {"it has 71 bytes, 2x1x3x3 of float32 asks for 72"});
  check_refused([](ModelProto& proto) { weight(proto).set_raw_data("four"); },
                {"it has both raw data and values"});
}

BOOST_AUTO_TEST_CASE(types_that_tensors_do_not_have_are_refused) {
  check_refused([](ModelProto& proto) { weight(proto).set_data_type(8); },
                {"tensor 'w': elements of strings are not supported"});
  check_refused([](ModelProto& proto) { weight(proto).set_data_type(17); }, {"ONNX type 17"});
  check_refused([](ModelProto& proto) { weight(proto).set_data_type(-5); }, {"ONNX type -5"});
  check_refused([](ModelProto& proto) { weight(proto).clear_data_type(); }, {"ONNX type 0"});
  check_refused([](ModelProto& proto) { weight(proto).mutable_segment(); }, {"segments"});
  check_refused([](ModelProto& proto) { proto.mutable_graph()->add_sparse_initializer(); },
                {"1 sparse initializers"});
  check_refused(
      [](ModelProto& proto) {
        proto.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type();
      },
      {"'x' of the graph is no tensor"});
}

BOOST_AUTO_TEST_CASE(values_in_wider_fields_must_be_those_of_the_type) {
  const auto tensor_of = [](int type, std::vector<int> values) {
    ModelProto proto = small_model();
    auto& tensor = *proto.mutable_graph()->add_initializer();
    tensor.set_name("t");
    tensor.set_data_type(type);
    tensor.add_dims(3);
    for (const int value : values) tensor.add_int32_data(value);
    return parse(proto).graph.initializers.at("t");
  };
  using ::onnx::TensorProto;
  BOOST_CHECK_EQUAL(tensor_of(TensorProto::INT8, {-128, 0, 127}).as<std::int8_t>()[0], -128);
  BOOST_CHECK_EQUAL(tensor_of(TensorProto::FLOAT16, {0x3c00, 0, 0xffff}).as<std::uint16_t>()[2], 0xffff);
  BOOST_CHECK_EQUAL(tensor_of(TensorProto::BOOL, {0, 1, 1}).as<std::uint8_t>()[1], 1);
  constexpr int kInt4 = 22;
  BOOST_CHECK_EQUAL(tensor_of(kInt4, {0x21, 0x03}).bytes.size(), 2);
  BOOST_CHECK_EXCEPTION(tensor_of(TensorProto::INT8, {0, 0, 128}), UserError, message_has("128 is no int8"));
  BOOST_CHECK_EXCEPTION(tensor_of(TensorProto::UINT8, {0, -1, 0}), UserError, message_has("-1 is no uint8"));
  BOOST_CHECK_EXCEPTION(tensor_of(TensorProto::BOOL, {0, 2, 0}), UserError, message_has("2 is no bool"));
  BOOST_CHECK_EXCEPTION(tensor_of(kInt4, {1}), UserError,
                        message_has("it has 1 values, 3 of int4 asks for 2"));
}

BOOST_AUTO_TEST_CASE(nodes_come_out_after_what_they_read_and_otherwise_stay_in_order) {
  ModelProto proto = small_model();
  auto& nodes = *proto.mutable_graph()->mutable_node();
  nodes.SwapElements(0, 4);
  nodes.SwapElements(1, 3);
  const Model model = parse(proto);
  std::string order;
  for (const Node& node : model.graph.nodes) order += node.op + " ";
  BOOST_CHECK_EQUAL(order, "Conv Relu GlobalAveragePool Flatten Gemm ");

  proto = small_model();
  for (const char* name : {"late", "later"})
    tests::add_node(*proto.mutable_graph(), "Identity", {"x"}, {name});
  proto.mutable_graph()->mutable_node()->SwapElements(0, 5);
  order.clear();
  for (const Node& node : parse(proto).graph.nodes) order += node.outputs[0] + " ";
  BOOST_CHECK_EQUAL(order, "late conv relu pool flat y later ");
}

BOOST_AUTO_TEST_CASE(circles_are_told_with_the_nodes_that_make_them_up) {
  check_refused([](ModelProto& proto) { proto.mutable_graph()->mutable_node(1)->set_input(0, "flat"); },
                {"in a circle", "Relu 'the Relu' -> GlobalAveragePool 'the GlobalAveragePool' -> Flatten"});
  check_refused([](ModelProto& proto) { proto.mutable_graph()->mutable_node(1)->set_input(0, "relu"); },
                {"in a circle: Relu 'the Relu' -> Relu 'the Relu'"});
}

BOOST_AUTO_TEST_CASE(all_mistakes_of_a_graph_are_told_at_once) {
  check_refused(
      [](ModelProto& proto) {
        auto& graph = *proto.mutable_graph();
        graph.mutable_initializer(1)->set_name("bias");
        graph.mutable_node(1)->set_input(0, "nothing");
        graph.mutable_output(0)->set_name("answer");
        weight(proto).set_dims(0, 3);
        *graph.add_node() = graph.node(3);
        auto& attribute = *graph.mutable_node(0)->add_attribute();
        attribute = graph.node(0).attribute(0);
        graph.mutable_node(2)->clear_op_type();
      },
      {"7 things are wrong", "Conv 'the Conv' reads 'b', which nobody gives",
       "Relu 'the Relu' reads 'nothing', which nobody gives", "output 'answer' is given by nobody",
       "tensor 'w': it has 18 values", "tensor 'flat' is given more than once",
       "Conv 'the Conv' has attribute 'pads' more than once", "names no operator"});
  check_refused([](ModelProto& proto) { tests::add_floats(*proto.mutable_graph(), "conv", {1}); },
                {"tensor 'conv' is given more than once"});
  check_refused([](ModelProto& proto) { tests::add_value(*proto.mutable_graph()->add_input(), "x", {1}); },
                {"tensor 'x' is given more than once"});
  check_refused(
      [](ModelProto& proto) {
        for (int i = 0; i < 100; ++i)
          tests::add_node(*proto.mutable_graph(), "Relu", {"missing" + std::to_string(i)}, {""});
      },
      {"100 things are wrong", "and 80 more"});
}

BOOST_AUTO_TEST_CASE(names_with_control_characters_do_not_break_messages) {
  ModelProto proto = small_model();
  proto.mutable_graph()->mutable_node(1)->set_name("a\x1b[31m\nb");
  proto.mutable_graph()->mutable_node(1)->set_input(0, std::string(100000, 'n'));
  try {
    parse(proto);
    BOOST_ERROR("was read");
  } catch (const UserError& error) {
    const std::string message = error.what();
    BOOST_CHECK(message.find("Relu 'a\\x1b[31m\\x0ab' reads 'nnn") != std::string::npos);
    BOOST_CHECK_LT(message.size(), 400);
  }
}

BOOST_AUTO_TEST_CASE(names_are_shown_as_far_as_they_are_text) {
  BOOST_CHECK_EQUAL(shown("/layer1/conv"), "'/layer1/conv'");
  BOOST_CHECK_EQUAL(shown("gewichte_\u00fc\u2713\U0001f600"), "'gewichte_\u00fc\u2713\U0001f600'");
  BOOST_CHECK_EQUAL(shown(std::string_view("a\0\t\x7f", 4)), "'a\\x00\\x09\\x7f'");
  BOOST_CHECK_EQUAL(shown("\xff\xc3"), "'\\xff\\xc3'");
  BOOST_CHECK_EQUAL(shown("\xc2\x9b"), "'\\xc2\\x9b'");           // a terminal's control sequence
  BOOST_CHECK_EQUAL(shown("\xe0\x80\xaf"), "'\\xe0\\x80\\xaf'");  // longer than it need be
  std::string letters;
  for (int i = 0; i < 200; ++i) letters += "\u00fc";
  BOOST_CHECK_EQUAL(shown(letters).size(), 2 + 2 * 120 + 3);
}

BOOST_AUTO_TEST_CASE(attributes_that_have_no_room_are_kept_as_such) {
  ModelProto proto = small_model();
  auto& node = *proto.mutable_graph()->mutable_node(1);
  auto& attribute = *node.add_attribute();
  attribute.set_name("then_branch");
  attribute.set_type(::onnx::AttributeProto::GRAPH);
  const Model model = parse(proto);
  BOOST_CHECK(model.graph.nodes[1].find("then_branch")->kind == Attribute::Kind::other);
  BOOST_CHECK_EXCEPTION(model.graph.nodes[1].integer("then_branch", 0), UserError,
                        message_has("Relu 'the Relu': attribute 'then_branch' must be an integer"));
}

BOOST_AUTO_TEST_CASE(what_is_no_model_is_refused) {
  BOOST_CHECK_EXCEPTION(parse_model("", "empty", {}), UserError, message_has("empty: is empty"));
  BOOST_CHECK_EXCEPTION(parse_model("{\"json\": true}", "text", {}), UserError,
                        message_has("text: is not an ONNX model"));
  BOOST_CHECK_EXCEPTION(read_model("/nowhere/model.onnx"), UserError, message_has("/nowhere/model.onnx"));
  BOOST_CHECK_EXCEPTION(read_model("/"), UserError, message_has("/"));
}

BOOST_AUTO_TEST_CASE(a_file_cut_short_anywhere_is_refused) {
  const std::string bytes = small_model().SerializeAsString();
  for (std::size_t length = 0; length < bytes.size(); ++length)
    BOOST_CHECK_THROW(parse_model(bytes.substr(0, length), "model.onnx", {}), UserError);
}

BOOST_AUTO_TEST_CASE(whatever_bytes_are_wrong_is_a_message_or_another_model) {
  const std::string bytes = small_model().SerializeAsString();
  const std::vector<float> image(25, 1.0F);
  constexpr std::int64_t kFewElements = 1 << 12;
  int read = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    base::Rng rng(base::derive_seed(1, "spoilt bytes", seed));
    std::string spoilt = bytes;
    for (std::uint64_t flips = 1 + rng.below(4); flips > 0; --flips)
      spoilt[rng.below(spoilt.size())] = static_cast<char>(rng.below(256));
    try {
      const Model model = parse_model(spoilt, "model.onnx", {});
      ++read;
      evaluate(model, {{"x", Tensor::of({1, 1, 5, 5}, image)}}, kFewElements);
    } catch (const UserError&) {
      ++refused;
    }
  }
  BOOST_CHECK_GT(read, 100);
  BOOST_CHECK_GT(refused, 100);
}

BOOST_AUTO_TEST_SUITE_END()
