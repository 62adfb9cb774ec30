#include "quant/network_info.hpp"

#include <boost/test/unit_test.hpp>
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
