#include "trainer/networks/networks.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

#include "quant/base/error.hpp"
#include "trainer/network.hpp"

using namespace bitsmith;
using namespace bitsmith::trainer;

namespace {

double mmac(const quant::NetworkInfo& info) {
  double sum = 0.0;
  for (const auto& layer : info.layers) sum += static_cast<double>(layer.macs()) * 1e-6;
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(networks)

BOOST_AUTO_TEST_CASE(multiply_accumulates_and_layers_are_those_of_the_reference_networks) {
  const auto small = build_network("cnn_small", {1, 28, 28}, 10);
  BOOST_TEST(mmac(small) == 11.1, boost::test_tools::tolerance(0.005));
  BOOST_TEST(small.layers.size() == 6u);
  const auto resnet = build_network("resnet20", {1, 32, 32}, 10);
  BOOST_TEST(mmac(resnet) == 40.5, boost::test_tools::tolerance(0.005));
  BOOST_TEST(resnet.layers.size() == 22u);
  const auto mobile = build_network("mobilenet_v2_small", {1, 32, 32}, 10);
  BOOST_TEST(mmac(mobile) == 5.8, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(every_network_runs_on_one_and_three_channels_and_odd_sizes) {
  for (const auto& row : network_rows())
    for (const quant::Shape input : {quant::Shape{1, 28, 28}, {3, 32, 32}, {3, 17, 23}}) {
      Network network(build_network(row.name, input, 7), 1);
      Tensor images(2, input);
      images.fill(0.5f);
      BOOST_TEST(network.forward(images, Mode::evaluate).shape().channels == 7);
    }
}

BOOST_AUTO_TEST_CASE(unknown_names_suggest_the_nearest) {
  BOOST_CHECK_EXCEPTION(build_network("resnet2", {1, 28, 28}, 10), base::UserError, [](const auto& e) {
    return std::string(e.what()).find("resnet2") != std::string::npos &&
           std::string(e.what()).find("did you mean") != std::string::npos;
  });
  BOOST_CHECK_THROW(build_network("resnet8", {1, 28, 28}, 1), base::UserError);
}

BOOST_AUTO_TEST_SUITE_END()
