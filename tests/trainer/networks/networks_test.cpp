#include "trainer/networks/networks.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>
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

std::int64_t parameters(const quant::NetworkInfo& info) {
  std::int64_t count = 0;
  for (const Parameter& parameter : make_parameters(info, 1))
    count += static_cast<std::int64_t>(parameter.value.size());
  return count;
}

bool says(const base::UserError& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
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
  BOOST_TEST(mmac(build_network("resnet32", {3, 32, 32}, 10)) == 69.1, boost::test_tools::tolerance(0.01));
  BOOST_TEST(mmac(build_network("resnet56", {3, 32, 32}, 10)) == 125.8, boost::test_tools::tolerance(0.01));
  BOOST_TEST(build_network("resnet56", {3, 32, 32}, 10).layers.size() == 58u);
}

BOOST_AUTO_TEST_CASE(the_papers_counts_of_operations_and_parameters_come_out) {
  const auto v1 = build_network("mobilenet_v1", {3, 224, 224}, 1000);
  BOOST_TEST(mmac(v1) == 569.0, boost::test_tools::tolerance(0.001));
  BOOST_TEST(parameters(v1) == 4'231'976);
  BOOST_TEST(v1.layers.size() == 28u);
  const auto v2 = build_network("mobilenet_v2", {3, 224, 224}, 1000);
  BOOST_TEST(mmac(v2) == 300.8, boost::test_tools::tolerance(0.001));
  BOOST_TEST(parameters(v2) == 3'504'872);
  BOOST_TEST(v2.layers.size() == 53u);
  // Table 6 of the first paper, and the second one's figure 5 (its authors' list of checkpoints).
  BOOST_TEST(mmac(build_network("mobilenet_v1", {3, 224, 224}, 1000, {.width = 0.5})) == 149.0,
             boost::test_tools::tolerance(0.01));
  BOOST_TEST(mmac(build_network("mobilenet_v1", {3, 224, 224}, 1000, {.width = 0.25})) == 41.0,
             boost::test_tools::tolerance(0.01));
  BOOST_TEST(mmac(build_network("mobilenet_v2", {3, 224, 224}, 1000, {.width = 1.4})) == 582.0,
             boost::test_tools::tolerance(0.005));
  BOOST_TEST(mmac(build_network("mobilenet_v2", {3, 224, 224}, 1000, {.width = 0.5})) == 97.0,
             boost::test_tools::tolerance(0.005));
  // "Hello Edge", table 4: the small DS-CNN takes 5.4 million operations, two for each of these.
  BOOST_TEST(mmac(build_network("ds_cnn", {1, 49, 10}, 12)) == 2.7, boost::test_tools::tolerance(0.02));
  BOOST_TEST(parameters(build_network("lenet5", {1, 32, 32}, 10)) == 61'706);
  BOOST_TEST(parameters(build_network("lenet5", {1, 28, 28}, 10)) == 61'706);
  BOOST_TEST(parameters(build_network("mlp", {1, 28, 28}, 10)) == 266'610);
  BOOST_TEST(mmac(build_network("vgg_small", {3, 32, 32}, 10)) == 608.0, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(widths_are_rounded_to_multiples_of_eight_and_never_lose_more_than_a_tenth) {
  const auto channels = [](double width) {
    return build_network("mobilenet_v2", {3, 32, 32}, 10, {.width = width}).layers.front().output.channels;
  };
  BOOST_TEST(channels(1) == 32);
  BOOST_TEST(channels(0.75) == 24);
  BOOST_TEST(channels(0.35) == 16);  // 11.2 would lose a quarter as 8
  BOOST_TEST(channels(0.01) == 8);
  const auto last = build_network("mobilenet_v2", {3, 32, 32}, 10, {.width = 0.35}).layers.back();
  BOOST_TEST(last.input.channels == 1280);
}

BOOST_AUTO_TEST_CASE(small_images_are_halved_less_often) {
  const auto last_pixels = [](const char* name, int size) {
    const auto info = build_network(name, {3, size, size}, 10);
    return info.layers[info.layers.size() - 2].output.height;
  };
  BOOST_TEST(last_pixels("mobilenet_v1", 128) == 4);
  BOOST_TEST(last_pixels("mobilenet_v1", 127) == 8);
  BOOST_TEST(last_pixels("mobilenet_v1", 32) == 2);
  BOOST_TEST(last_pixels("mobilenet_v2", 128) == 4);
  BOOST_TEST(last_pixels("mobilenet_v2", 32) == 4);
}

BOOST_AUTO_TEST_CASE(a_width_is_refused_where_there_is_none_or_none_such) {
  BOOST_CHECK_EXCEPTION(
      build_network("resnet20", {3, 32, 32}, 10, {.width = 0.5}), base::UserError, [](const auto& e) {
        return says(e, "'resnet20' has no width multiplier (got 0.5)") && says(e, "mobilenet_v1");
      });
  for (double width : {0.0, -1.0, 17.0, std::numeric_limits<double>::quiet_NaN()})
    BOOST_CHECK_EXCEPTION(build_network("mobilenet_v1", {3, 32, 32}, 10, {.width = width}), base::UserError,
                          [](const auto& e) { return says(e, "allowed are 0.01 to 16"); });
}

BOOST_AUTO_TEST_CASE(inputs_are_taken_from_the_stated_minimum_on) {
  for (const auto& row : network_rows()) {
    const int size = row.min_size;
    BOOST_TEST_CONTEXT(row.name) {
      for (const quant::Shape input : {quant::Shape{1, size, size}, {3, size, size + 40}})
        BOOST_TEST(build_network(row.name, input, 10).nodes.back().output.elements() == 10);
      if (size > 1)
        BOOST_CHECK_EXCEPTION(build_network(row.name, {1, size + 9, size - 1}, 10), base::UserError,
                              [&](const auto& e) { return says(e, "at least " + std::to_string(size)); });
    }
  }
}

BOOST_AUTO_TEST_CASE(every_network_runs_on_one_and_three_channels_and_odd_sizes) {
  for (const auto& row : network_rows())
    for (const quant::Shape input : {quant::Shape{1, 28, 28}, {3, 32, 32}, {3, 17, 23}}) {
      Network network(build_network(row.name, input, 7, {.width = row.has_width ? 0.25 : 1.0}), 1);
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
