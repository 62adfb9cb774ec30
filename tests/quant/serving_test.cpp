#include "quant/serving.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "quant/base/random.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/weight_encoding.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

namespace {

std::vector<float> normal_weights(std::size_t count) {
  base::Rng rng(5);
  std::vector<float> weights(count);
  for (float& w : weights) w = static_cast<float>(rng.normal());
  return weights;
}

bool may_be_weights(Format format) { return weight_format(format.name()).has_value(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(serving)

BOOST_AUTO_TEST_CASE(formats_of_few_integer_levels_are_served_by_the_kernels_of_these) {
  const std::pair<const char*, int> expected[] = {
      {"binary", 1},     {"ternary", 2},    {"bitnet", 2},   {"pow2_2", 2},   {"pow2_3", 4}, {"pow2_4", 8},
      {"quadratic3", 5}, {"quadratic4", 7}, {"fp4_e2m1", 5}, {"fp6_e2m3", 7}, {"int5", 5},   {"pow2_5", 32},
      {"ttq", 32},       {"fp6_e3m2", 32},  {"kmeans2", 32}, {"nf4", 32},     {"mxfp4", 32}, {"mxint8", 32},
      {"fp8_e4m3", 32},  {"vsq4", 32},      {"nvfp4", 32},   {"fp32", 32}};
  for (const auto& [name, bits] : expected) BOOST_TEST(kernel_weight_bits(*find_format(name)) == bits, name);
  BOOST_TEST(!is_decoded(kFloatBits));
  BOOST_TEST(is_decoded(*find_format("nf4")));
}

BOOST_AUTO_TEST_CASE(levels_times_scales_are_what_decoding_gives) {
  const std::vector<float> weights = normal_weights(6 * 35);
  for (const Format format : all_formats()) {
    if (!may_be_weights(format) || is_decoded(format)) continue;
    for (const auto granularity : {Granularity::channel, Granularity::tensor}) {
      const Encoded encoded = encode_weights(weights, 6, format, granularity);
      const WeightLevels found = weight_levels(encoded);
      const std::vector<float> decoded = decode(encoded);
      BOOST_TEST(found.scales.size() == (granularity == Granularity::channel ? 6u : 1u));
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const float scale = found.scales[found.scales.size() == 1 ? 0 : i / 35];
        BOOST_TEST(static_cast<float>(found.levels[i]) * scale == decoded[i],
                   boost::test_tools::tolerance(1e-6f));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(packed_bytes_are_foretold_without_encoding) {
  const std::vector<float> weights = normal_weights(6 * 35);
  for (const Format format : all_formats()) {
    if (!may_be_weights(format)) continue;
    for (const auto granularity : {Granularity::channel, Granularity::tensor}) {
      const Encoded encoded = encode_weights(weights, 6, format, granularity);
      BOOST_TEST(packed_weight_bytes(6 * 35, 6, format, granularity) == std::ssize(pack(encoded)),
                 format.name());
      const Encoded again = unpack(pack(encoded), weight_encoding_of(6 * 35, 6, format, granularity));
      BOOST_TEST(decode(again) == decode(encoded), boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(every_bits_of_a_kernel_have_formats_that_lower_to_them) {
  for (const int weight : {1, 2, 3, 4, 5, 6, 7, 8, kFloatBits})
    for (const int activation : {1, 2, 4, 8, kFloatBits}) {
      const LayerBits bits{weight, activation};
      if (weight == kFloatBits && activation != kFloatBits) continue;
      BOOST_TEST((kernel_bits(formats_served_by(bits)) == bits));
    }
}

BOOST_AUTO_TEST_CASE(some_kernel_serves_every_format_of_every_kind_of_layer) {
  NetworkBuilder net("kinds", {4, 8, 8});
  int x = net.relu("relu1", net.conv("conv", 0, 8, Window::square(3, 1, 1)));
  x = net.relu("relu2", net.conv("depthwise", x, 8, Window::square(3, 1, 1), 8));
  net.linear("fc", net.flatten("flatten", x), 10);
  const NetworkInfo network = std::move(net).build();
  for (const Format format : all_formats())
    if (may_be_weights(format))
      for (const Format activation : {Format(2), Format(8), Format(kFloatBits)})
        BOOST_CHECK_NO_THROW(lower(network, uniform_policy(network, {format, activation})));
}

BOOST_AUTO_TEST_SUITE_END()
