#include "quant/tied_layers.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace bitsmith::quant;

namespace {

/// Two residual blocks of which the second halves the pixels, and so has a convolution as its shortcut.
NetworkInfo residual() {
  NetworkBuilder net("residual", {3, 8, 8});
  const auto conv = [&](const std::string& name, int from, int channels, int stride) {
    return net.batch_norm(name + ".bn", net.conv(name, from, channels, Window::square(3, stride, 1)));
  };
  int x = net.relu("relu0", conv("stem", net.input(), 4, 1));
  x = net.relu("relu1", net.add("add1", conv("conv2", net.relu("relu2", conv("conv1", x, 4, 1)), 4, 1), x));
  const int body = conv("conv4", net.relu("relu3", conv("conv3", x, 8, 2)), 8, 1);
  x = net.relu("relu4", net.add("add2", body, conv("shortcut", x, 8, 2)));
  x = conv("conv5", x, 8, 1);
  net.linear("fc", net.flatten("flatten", net.global_average_pool("pool", x)), 4);
  return std::move(net).build();
}

std::vector<std::vector<std::string>> named(const NetworkInfo& network,
                                            const std::vector<TiedLayers>& groups) {
  std::vector<std::vector<std::string>> names;
  for (const TiedLayers& group : groups) {
    names.emplace_back();
    for (int layer : group) names.back().push_back(network.layers[static_cast<std::size_t>(layer)].name);
  }
  return names;
}

using Names = std::vector<std::vector<std::string>>;

}  // namespace

BOOST_AUTO_TEST_SUITE(tied_layers)

BOOST_AUTO_TEST_CASE(layers_that_read_one_tensor_are_found) {
  const NetworkInfo network = residual();
  const Names expected = {{"conv3", "shortcut"}};
  BOOST_CHECK(named(network, readers_of_one_tensor(network)) == expected);
}

BOOST_AUTO_TEST_CASE(a_residual_stream_reaches_over_additions_and_relus_but_no_further) {
  const NetworkInfo network = residual();
  const Names expected = {{"conv1", "conv3", "shortcut"}};
  BOOST_CHECK(named(network, readers_of_one_residual_stream(network)) == expected);
}

BOOST_AUTO_TEST_CASE(a_chain_ties_nothing_and_a_flatten_hides_nothing) {
  NetworkBuilder net("chain", {3, 8, 8});
  const int x = net.conv("a", net.input(), 4, Window::square(3));
  NetworkBuilder two = net;
  net.linear("b", net.flatten("flatten", x), 4);
  const NetworkInfo chain = std::move(net).build();
  BOOST_TEST(readers_of_one_tensor(chain).empty());
  BOOST_TEST(readers_of_one_residual_stream(chain).empty());

  const int b = two.linear("b", two.flatten("flatten1", x), 4);
  two.add("sum", b, two.linear("c", two.flatten("flatten2", x), 4));
  const NetworkInfo twice = std::move(two).build();
  const Names expected = {{"b", "c"}};
  BOOST_CHECK(named(twice, readers_of_one_tensor(twice)) == expected);
}

BOOST_AUTO_TEST_SUITE_END()
