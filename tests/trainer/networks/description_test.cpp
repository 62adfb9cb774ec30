#include "trainer/networks/description.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/random.hpp"
#include "trainer/network.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

const std::filesystem::path kConfigs = std::filesystem::path(BITSMITH_SOURCE_DIR) / "configs";

NetworkDescription read_file(const std::string& name) {
  const std::filesystem::path file = kConfigs / "networks" / name;
  return read_network(base::read_file(file, 1 << 20), file.string());
}

/// The message for layers in this text, which begins in line 3; or "taken".
std::string refusal(const std::string& layers, quant::Shape input = {3, 8, 8}) {
  try {
    build_network(read_network("name: net\nlayers:\n" + layers, "n.yaml"), input, 10);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "taken";
}

std::string refusal_of_text(const std::string& text) {
  try {
    read_network(text, "n.yaml");
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "taken";
}

const std::string kEnd = "  - global_average_pool: {}\n  - flatten: {}\n  - linear: {out: classes}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(network_description)

BOOST_AUTO_TEST_CASE(resnet8_written_down_is_the_built_in_one) {
  const NetworkDescription description = read_file("resnet8.yaml");
  for (const quant::Shape input : {quant::Shape{1, 28, 28}, {3, 32, 20}})
    for (Joins joins : {Joins::fp32, Joins::int8}) {
      const auto described = build_network(description, input, 7, joins);
      const auto built_in = build_network("resnet8", input, 7, {.joins = joins});
      BOOST_TEST(described.hash() == built_in.hash());
      BOOST_TEST(described.name == built_in.name);
    }
}

BOOST_AUTO_TEST_CASE(the_examples_all_build_and_run) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kConfigs / "networks")) {
    Network network(build_network(read_file(entry.path().filename().string()), {1, 28, 28}, 10), 1);
    Tensor images(2, {1, 28, 28});
    images.fill(0.5f);
    BOOST_TEST(network.forward(images, Mode::evaluate).shape().channels == 10);
    ++found;
  }
  BOOST_TEST(found >= 2);
}

BOOST_AUTO_TEST_CASE(every_operation_can_be_written) {
  const std::string all =
      "  - conv: {name: a, out: 8, kernel: [3, 2], stride: [1, 2], pad: [1, 0, 1, 0], dilation: 1, bias: "
      "true}\n"
      "  - batch_norm: {epsilon: 0.01}\n"
      "  - relu6: {}\n"
      "  - max_pool: {kernel: 2, pad: [0, 1]}\n"
      "  - quantize: {name: q}\n"
      "  - conv: {out: 8, kernel: 3, pad: 1, groups: 8}\n"
      "  - relu:\n"
      "  - average_pool: {name: pooled, kernel: 2, stride: 2}\n"
      "  - layer_norm: {name: normed, epsilon: 1e-6}\n"
      "  - matmul: {from: [normed, normed], heads: 2, transpose: true, factor: 0.5}\n"
      "  - softmax: {name: shares, groups: 2}\n"
      "  - matmul: {name: mixed, from: [shares, pooled], heads: 2}\n"
      "  - position: {}\n"
      "  - gelu: {name: last}\n"
      "  - add: {from: [last, mixed]}\n" +
      kEnd;
  BOOST_TEST(refusal(all) == "taken");
  const auto network = build_network(read_network("name: net\nlayers:\n" + all, "n.yaml"), {3, 8, 8}, 10);
  BOOST_TEST(network.nodes[2].name == "batch_norm1");
  BOOST_TEST(network.nodes[2].epsilon == 0.01f);
  const quant::Window window = network.nodes[1].window;
  BOOST_TEST((window == quant::Window{3, 2, 1, 2, 1, 1, 1, 0, 1, 0}));
  Network(network, 1);  // each has a layer
}

BOOST_AUTO_TEST_CASE(mistakes_name_place_what_is_allowed_and_the_nearest_name) {
  const std::string conv = "  - conv: {name: a, out: 8, kernel: 3}\n";
  BOOST_TEST(refusal("  - convv: {out: 8}\n" + kEnd)
                 .starts_with("n.yaml:3:5: layers[0]: got 'convv', allowed: conv, linear, "));
  BOOST_TEST(refusal("  - convv: {out: 8}\n" + kEnd).ends_with(", did you mean 'conv'?"));
  BOOST_TEST(refusal("  - conv: {out: 8, kernl: 3}\n" + kEnd) ==
             "n.yaml:3:5: layers[0].conv.kernel: is required: the window's size\n"
             "n.yaml:3:20: layers[0].conv.kernl: unknown key, allowed: name, from, out, kernel, stride, pad, "
             "dilation, groups, bias, did you mean 'kernel'?");
  BOOST_TEST(
      refusal("  - conv: {out: 0, kernel: x}\n" + kEnd) ==
      "n.yaml:3:17: layers[0].conv.out: got '0', allowed: an integer, 1 to 1048576, or classes\n"
      "n.yaml:3:28: layers[0].conv.kernel: got 'x', allowed: an integer, 1 to 16384, or [height, width]");
  BOOST_TEST(
      refusal("  - conv: {out: 8, kernel: 3, pad: -1}\n" + kEnd) ==
      "n.yaml:3:36: layers[0].conv.pad: got '-1', allowed: an integer, 0 to 16384, or [height, width], "
      "or [top, left, bottom, right]");
  BOOST_TEST(
      refusal("  - conv: {out: 8, kernel: [3, 3, 3]}\n" + kEnd) ==
      "n.yaml:3:28: layers[0].conv.kernel: got a list, allowed: an integer, 1 to 16384, or [height, width]");
  BOOST_TEST(refusal("  - conv: {out: 99999999999999999999, kernel: 3}\n" + kEnd)
                 .starts_with("n.yaml:3:17: layers[0].conv.out: got '99999999999999999999', allowed: "));
  BOOST_TEST(refusal("  - conv: {out: 8, kernel: 3, bias: yes}\n" + kEnd) ==
             "n.yaml:3:37: layers[0].conv.bias: got 'yes', allowed: true, false");
  BOOST_TEST(refusal("  - batch_norm: {epsilon: 0}\n" + kEnd) ==
             "n.yaml:3:27: layers[0].batch_norm.epsilon: got '0', allowed: a number, above 0 to 1");
  BOOST_TEST(refusal("  - relu\n" + kEnd) ==
             "n.yaml:3:5: layers[0]: got 'relu', allowed: one layer, e.g. relu: {}");
  BOOST_TEST(refusal("  - {relu: {}, gelu: {}}\n" + kEnd) ==
             "n.yaml:3:5: layers[0]: got a map of 2 keys, allowed: one layer, e.g. relu: {}");
  BOOST_TEST(refusal("  - relu: 3\n" + kEnd) ==
             "n.yaml:3:11: layers[0].relu: got '3', allowed: a map of keys");
  BOOST_TEST(
      refusal(conv + "  - relu: {from: aa}\n" + kEnd) ==
      "n.yaml:4:18: layers[1].relu.from: got 'aa', allowed: input, or the name of a layer above, did you "
      "mean 'a'?");
  BOOST_TEST(
      refusal(conv + "  - add: {from: a}\n" + kEnd) ==
      "n.yaml:4:17: layers[1].add.from: got 'a', allowed: a list of two names of layers above, or input");
  BOOST_TEST(
      refusal(conv + "  - add: {}\n" + kEnd) ==
      "n.yaml:4:5: layers[1].add.from: is required, allowed: a list of two names of layers above, or input");
  BOOST_TEST(refusal(conv + "  - relu: {name: 'a/b'}\n" + kEnd) ==
             "n.yaml:4:18: layers[1].relu.name: got \"a/b\", allowed: letters, digits, '.', '_' and '-'");
  BOOST_TEST(refusal(conv + "  - relu: {name: input}\n" + kEnd) ==
             "n.yaml:4:18: layers[1].relu.name: 'input' is the network's input; choose another name");
}

BOOST_AUTO_TEST_CASE(cycles_repeated_names_and_layers_that_nobody_reads_are_refused) {
  const std::string conv = "  - conv: {name: a, out: 3, kernel: 1}\n";
  BOOST_TEST(refusal(conv + "  - add: {name: b, from: [a, c]}\n  - relu: {name: c}\n" + kEnd) ==
             "n.yaml:4:30: layers[1].add.from[1]: 'c' is not above this layer: a layer reads those above it");
  BOOST_TEST(refusal(conv + "  - relu: {name: b, from: b}\n" + kEnd) ==
             "n.yaml:4:27: layers[1].relu.from: 'b' is not above this layer: a layer reads those above it");
  BOOST_TEST(refusal(conv + "  - relu: {name: a}\n" + kEnd) ==
             "n.yaml:4:18: layers[1].relu.name: two layers are named 'a'; choose another name");
  BOOST_TEST(refusal(conv + "  - relu: {from: input}\n" + kEnd) ==
             "n.yaml:3:5: layers[0].conv: no layer reads 'a', and it is not the last one");
}

BOOST_AUTO_TEST_CASE(shapes_that_do_not_fit_are_told_with_their_place) {
  BOOST_TEST(refusal("  - conv: {name: a, out: 8, kernel: 9}\n" + kEnd) ==
             "n.yaml:3:5: layers[0].conv: a: a 9x9 window does not fit into its input of 3x8x8");
  BOOST_TEST(refusal("  - conv: {name: a, out: 8, kernel: 1, groups: 2}\n" + kEnd) ==
             "n.yaml:3:5: layers[0].conv: a: 2 groups must divide 3 input and 8 output channels");
  BOOST_TEST(
      refusal("  - linear: {name: a, out: 8}\n" + kEnd)
          .starts_with("n.yaml:3:5: layers[0].linear: a: a linear layer reads features, got 8x8 pixels"));
  BOOST_TEST(
      refusal("  - conv: {name: a, out: 8, kernel: 1}\n")
          .starts_with("n.yaml:3:5: layers[0].conv: the last layer gives 8x8x8 values for 10 classes"));
  BOOST_TEST(refusal(kEnd + "  - quantize: {}\n").find("the last layer gives the logits, which stay fp32") !=
             std::string::npos);
  BOOST_TEST(refusal("  - conv: {name: a, out: 1048576, kernel: 1}\n" + kEnd, {3, 1000, 1000}) ==
             "n.yaml:3:5: layers[0].conv: a: more than 1073741824 values in its output: too large");
}

BOOST_AUTO_TEST_CASE(files_without_a_network_say_what_is_missing) {
  BOOST_TEST(refusal_of_text("") == "n.yaml:1:1: got nothing, allowed: a map of name and layers");
  BOOST_TEST(refusal_of_text("[1]") == "n.yaml:1:1: got a list, allowed: a map of name and layers");
  BOOST_TEST(refusal_of_text("name: a\nname: b\nlayers: []\n") ==
             "n.yaml:2:1: duplicate key 'name', first given in line 1\n"
             "n.yaml:3:9: layers: got 0 layers, allowed: a list of 1 to 10000 layers");
  BOOST_TEST(refusal_of_text("nam: a\n") ==
             "n.yaml:1:1: nam: unknown key, allowed: name, layers, did you mean 'name'?\n"
             "n.yaml:1:1: name: is required: what policies and results call the network\n"
             "n.yaml:1:1: layers: is required: a list of layers");
  BOOST_TEST(refusal_of_text("name: {}\nlayers: 3\n") ==
             "n.yaml:1:7: name: got a map, allowed: letters, digits, '.', '_' and '-'\n"
             "n.yaml:2:9: layers: got '3', allowed: a list of 1 to 10000 layers");
}

BOOST_AUTO_TEST_CASE(texts_changed_at_random_are_refused_or_build_but_do_nothing_else) {
  const std::string text = base::read_file(kConfigs / "networks" / "resnet8.yaml", 1 << 20);
  const std::string signs = "0123456789-[]{},: \n#ae&*!'\"";
  base::Rng rng(7);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string changed = text;
    for (std::uint64_t k = 0; k <= rng.below(4); ++k)
      changed[rng.below(changed.size())] = signs[rng.below(signs.size())];
    try {
      build_network(read_network(changed, "n.yaml"), {3, 16, 16}, 10);
    } catch (const base::UserError& error) {
      BOOST_TEST(std::string(error.what()).starts_with("n.yaml:"), error.what());
      ++refused;
    }
  }
  BOOST_TEST(refused > 100);
}

BOOST_AUTO_TEST_SUITE_END()
