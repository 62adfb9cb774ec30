#include "quant/formats/encoding_options.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>

#include "quant/base/error.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

std::string message(Format format, const std::function<void(EncodingOptions&)>& set) {
  EncodingOptions options;
  set(options);
  try {
    check_options(format, options);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(encoding_options)

BOOST_AUTO_TEST_CASE(every_format_goes_with_the_defaults) {
  for (Format format : all_formats()) BOOST_CHECK_NO_THROW(check_options(format, {}));
}

BOOST_AUTO_TEST_CASE(what_a_format_does_not_have_is_refused_with_a_reason) {
  const auto none = [](EncodingOptions&) {};
  BOOST_TEST(message(32, none) == "fp32: is what tensors are in already; nothing encodes it");
  BOOST_TEST(message(1, none) ==
             "int1: one bit and a sign leave only 0; allowed: binary, uint1, int2 to int16");
  BOOST_TEST(message(kMxfp4, [](auto& o) { o.scheme = Scheme::affine; }) ==
             "mxfp4: only int and uint formats have zero points (scheme affine)");
  BOOST_TEST(message(named("uint4"), [](auto& o) { o.full_range = true; }) ==
             "uint4: a full range is a choice of symmetric int formats only");
  BOOST_TEST(message(4, [](auto& o) { o.symmetric_unsigned = true; }) ==
             "int4: symmetric_unsigned is of uint formats only");
  BOOST_TEST(message(4, [](auto& o) { o.block = 32; }) ==
             "int4: it has no blocks of its own; slicing 'group:32' gives each 32 a scale");
  BOOST_TEST(message(kMxfp4, [](auto& o) { o.block = -1; }) == "mxfp4: block -1 is below 1");
  BOOST_TEST(message(named("mx6"), [](auto& o) { o.block = 5; }) ==
             "mx6: block 5 is odd, but every two elements of a block share a bit of exponent");
  BOOST_TEST(message(kNvfp4, [](auto& o) { o.slicing.grain = Grain::channel; }) ==
             "nvfp4: its scales belong to its own blocks, not to channels; leave the granularity at "
             "'tensor', or set the block");
  BOOST_TEST(
      message(named("vsq4"), [](auto& o) { o.slicing.grain = Grain::group; }) ==
      "vsq4: a second scale covers the tensor or a channel, not a group; its vectors are option block");
  BOOST_TEST(message(named("vsq4"), [](auto& o) { o.scale_bits = 17; }) ==
             "vsq4: scale_bits 17 is not in 1 to 16");
  BOOST_TEST(message(kMxfp4, [](auto& o) { o.scale_rule = ScaleRule::one; }) ==
             "mxfp4: only int, uint, fp8, fp6 and fp4 formats can do without a scale (scale one)");
  BOOST_TEST(
      message(kFp4E2m1, [](auto& o) { o.saturate = false; }) ==
      "fp4_e2m1: has neither infinity nor NaN for what is too large; only fp8_e4m3 and fp8_e5m2 can go "
      "without saturation");
  BOOST_TEST(message(named("kmeans4"), [](auto& o) { o.kmeans_iterations = 0; }) ==
             "kmeans4: 0 iterations of k-means are below 1");
}

BOOST_AUTO_TEST_CASE(what_a_format_has_is_accepted) {
  const std::string accepted = "accepted";
  BOOST_TEST(message(4, [](auto& o) { o.scheme = Scheme::affine; }) == accepted);
  BOOST_TEST(message(4, [](auto& o) { o.full_range = true; }) == accepted);
  BOOST_TEST(message(named("uint4"), [](auto& o) { o.symmetric_unsigned = true; }) == accepted);
  BOOST_TEST(message(named("mx6"), [](auto& o) { o.block = 6; }) == accepted);
  BOOST_TEST(message(named("nf4"), [](auto& o) { o.block = 128; }) == accepted);
  BOOST_TEST(message(kFp8E5m2, [](auto& o) { o.saturate = false; }) == accepted);
  BOOST_TEST(message(named("vsq4"), [](auto& o) { o.slicing.grain = Grain::channel; }) == accepted);
}

BOOST_AUTO_TEST_SUITE_END()
