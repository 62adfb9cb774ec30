#include "quant/network_info.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <string>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

template <typename Build>
std::string complaint(Build build) {
  try {
    build();
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(network_info)

BOOST_AUTO_TEST_CASE(tensors_and_weights_that_are_too_large_are_refused_before_anything_overflows) {
  constexpr int kHuge = std::numeric_limits<int>::max();
  const auto refused = [](const auto& build) {
    try {
      NetworkBuilder b("huge", {64, 1000, 1000});
      build(b);
    } catch (const base::UserError& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  BOOST_CHECK_THROW(NetworkBuilder("huge", {kHuge, kHuge, kHuge}), base::UserError);
  BOOST_CHECK_THROW(NetworkBuilder("negative", {3, -1, 8}), base::UserError);
  BOOST_TEST(refused([](auto& b) { b.conv("c", 0, kHuge, Window::square(1)); }) ==
             "c: more than 1073741824 weights: too large");
  BOOST_TEST(refused([](auto& b) { b.conv("c", 0, 1 << 20, Window::square(1)); }) ==
             "c: more than 1073741824 values in its output: too large");
  BOOST_TEST(refused([](auto& b) { b.linear("l", b.flatten("f", 0), 100); }) ==
             "l: more than 1073741824 weights: too large");
  BOOST_TEST(refused([](auto& b) { b.max_pool("p", 0, Window::square(kHuge, 1, kHuge, kHuge)); }) ==
             "p: kernel, stride, dilation and padding are at most 16384, got 2147483647");
  BOOST_TEST(refused([](auto& b) {
               b.max_pool("p", 0, Window::square(16384, 1, 16384, 16384));
             }).starts_with("p: a 268419073x268419073 window does not fit"));
  BOOST_TEST(refused([](auto& b) { b.matmul("m", 0, 0, 64, true); }) ==
             "m: more than 1073741824 values in its output: too large");
}

BOOST_AUTO_TEST_CASE(products_of_matrices_that_do_not_fit_say_what_they_have) {
  NetworkBuilder b("products", {6, 2, 4});
  const int wide = b.conv("wide", b.input(), 16, Window::square(1));
  BOOST_TEST(b.shape(b.matmul("scores", b.input(), b.input(), 3, true)).channels == 24);
  BOOST_TEST(b.shape(b.matmul("mix", wide, b.input(), 2, false)).channels == 6);
  const auto refused = [&](int x, int y, int heads, bool transpose) {
    try {
      b.matmul("m", x, y, heads, transpose);
    } catch (const base::UserError& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  BOOST_TEST(refused(0, 0, 4, true) == "m: 4 heads must divide 6 and 6 channels");
  BOOST_TEST(refused(0, 0, 0, true) == "m: 0 heads must divide 6 and 6 channels");
  BOOST_TEST(refused(0, wide, 2, true) ==
             "m: a head of 6x2x4 has 3 columns, that of 16x2x4 8 rows (its channels)");
  BOOST_TEST(
      refused(0, 0, 1, false) ==
      "m: a head of 6x2x4 has 6 columns, that of 6x2x4 8 rows (its pixels); with transpose: true these "
      "are its channels");
  BOOST_CHECK_THROW(b.softmax("s", 0, 4), base::UserError);
}

BOOST_AUTO_TEST_CASE(a_window_gives_onnx_output_sizes) {
  BOOST_TEST(Window::square(3, 1, 1).output_height(32) == 32);
  BOOST_TEST(Window::square(3, 2, 1).output_height(32) == 16);
  BOOST_TEST(Window::square(3, 2, 1).output_height(33) == 17);
  BOOST_TEST(Window::square(3, 1, 2, 2).output_width(9) == 9);
  BOOST_TEST((Window{5, 3, 1, 2, 1, 1, 2, 0, 1, 1}).output_height(8) == 7);
}

BOOST_AUTO_TEST_CASE(layers_are_described_in_execution_order) {
  NetworkBuilder b("n", {8, 8, 8});
  int x = b.conv("a", b.input(), 16, Window::square(3, 2, 1), 2);
  x = b.relu("r", x);
  x = b.conv("dw", x, 16, Window::square(3, 1, 1), 16, true);
  x = b.linear("fc", b.flatten("flat", x), 10);
  const NetworkInfo network = std::move(b).build();
  BOOST_REQUIRE(network.layers.size() == 3u);
  const LayerInfo &a = network.layers[0], &dw = network.layers[1], &fc = network.layers[2];
  BOOST_TEST((a.kind == LayerKind::conv && dw.kind == LayerKind::depthwise && fc.kind == LayerKind::linear));
  BOOST_TEST((a.input_signed && !dw.input_signed && fc.input_signed));
  BOOST_TEST((!a.bias && dw.bias && fc.bias));
  BOOST_TEST(a.weights() == 16 * 4 * 9);
  BOOST_TEST(a.macs() == 16 * 4 * 9 * 16);
  BOOST_TEST(dw.weights() == 16 * 9);
  BOOST_TEST(fc.weights() == 16 * 4 * 4 * 10);
  BOOST_TEST(network.find_layer("dw") == 1);
  BOOST_TEST(network.find_layer("r") == -1);
}

BOOST_AUTO_TEST_CASE(signs_follow_the_values) {
  NetworkBuilder b("n", {4, 4, 4});
  const int conv = b.conv("conv", b.input(), 4, Window{});
  const int relu = b.relu6("relu", conv);
  const int pool = b.max_pool("max", relu, Window::square(2, 2));
  const int both = b.add("both", relu, relu), mixed = b.add("mixed", relu, conv);
  b.average_pool("avg", pool, Window::square(2, 1));
  b.global_average_pool("gap", mixed);
  const NetworkInfo network = std::move(b).build();
  const auto sign = [&](int node) { return network.nodes[static_cast<std::size_t>(node)].output_signed; };
  BOOST_TEST((sign(0) && sign(conv) && !sign(relu) && !sign(pool) && !sign(both) && sign(mixed)));
  BOOST_TEST(!sign(mixed + 1));
  BOOST_TEST(sign(mixed + 2));
}

BOOST_AUTO_TEST_CASE(consumers_are_the_edges_backwards) {
  NetworkBuilder b("n", {4, 4, 4});
  const int conv = b.conv("conv", b.input(), 4, Window{});
  const int sum = b.add("sum", conv, b.input());
  const auto readers = std::move(b).build().consumers();
  BOOST_TEST(readers[0] == (std::vector<int>{conv, sum}), boost::test_tools::per_element());
  BOOST_TEST(readers[static_cast<std::size_t>(conv)] == std::vector<int>{sum},
             boost::test_tools::per_element());
  BOOST_TEST(readers[static_cast<std::size_t>(sum)].empty());
}

BOOST_AUTO_TEST_CASE(the_hash_sees_every_change_of_the_computation) {
  const auto hash_of = [](Window window, int groups, float epsilon, const char* name) {
    NetworkBuilder b("n", {4, 8, 8});
    b.batch_norm(name, b.conv("conv", b.input(), 4, window, groups), epsilon);
    return std::move(b).build().hash();
  };
  const auto base_hash = hash_of(Window::square(3, 1, 1), 1, 1e-5f, "bn");
  BOOST_TEST(base_hash == hash_of(Window::square(3, 1, 1), 1, 1e-5f, "bn"));
  BOOST_TEST(base_hash != hash_of(Window::square(3, 1, 2, 2), 1, 1e-5f, "bn"));
  BOOST_TEST(base_hash != hash_of(Window::square(3, 1, 1), 2, 1e-5f, "bn"));
  BOOST_TEST(base_hash != hash_of(Window::square(3, 1, 1), 1, 1e-3f, "bn"));
  BOOST_TEST(base_hash != hash_of(Window::square(3, 1, 1), 1, 1e-5f, "norm"));
}

BOOST_AUTO_TEST_CASE(shapes_that_do_not_fit_are_refused_by_name) {
  const Shape in{4, 4, 4};
  const auto names_the_node = [](const std::string& message) {
    return message.find("odd") != std::string::npos;
  };
  BOOST_TEST(
      names_the_node(complaint([&] { NetworkBuilder("n", in).conv("odd", 0, 4, Window::square(5)); })));
  BOOST_TEST(
      names_the_node(complaint([&] { NetworkBuilder("n", in).conv("odd", 0, 4, Window::square(0)); })));
  BOOST_TEST(names_the_node(complaint([&] { NetworkBuilder("n", in).conv("odd", 0, 5, Window{}, 2); })));
  BOOST_TEST(names_the_node(complaint([&] { NetworkBuilder("n", in).conv("odd", 0, 0, Window{}); })));
  BOOST_TEST(names_the_node(complaint([&] { NetworkBuilder("n", in).linear("odd", 0, 0); })));
  BOOST_TEST(
      names_the_node(complaint([&] { NetworkBuilder("n", in).max_pool("odd", 0, Window::square(9)); })));
  BOOST_TEST(names_the_node(complaint([&] {
    NetworkBuilder b("n", in);
    b.add("odd", 0, b.conv("c", 0, 5, Window{}));
  })));
  BOOST_TEST(names_the_node(complaint([&] {
    NetworkBuilder b("n", in);
    b.relu("odd", b.relu("odd", 0));
  })));
  BOOST_TEST(complaint([] { NetworkBuilder("n", Shape{0, 4, 4}); }) != "accepted");
}

BOOST_AUTO_TEST_SUITE_END()
