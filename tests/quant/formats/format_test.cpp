#include "quant/formats/format.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "quant/base/error.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;

BOOST_AUTO_TEST_SUITE(format_table)

BOOST_AUTO_TEST_CASE(names_and_codes_are_unique_and_lead_back) {
  std::set<std::string> names;
  std::set<int> codes;
  for (Format format : all_formats()) {
    BOOST_TEST(names.insert(format.name()).second, format.name());
    BOOST_TEST(codes.insert(format.code()).second, format.name());
    BOOST_TEST((find_format(format.name()) == format));
    BOOST_TEST((format_of_code(format.code()) == format));
    BOOST_TEST(format.element_bits() >= 1);
    BOOST_TEST(!format.row().what.empty());
    BOOST_TEST(!format.row().source.empty());
  }
  BOOST_TEST((find_format("fp32") == Format(32)));
  BOOST_TEST((format_of_code(32) == Format(32)));
}

BOOST_AUTO_TEST_CASE(formats_that_are_named_in_the_code_have_their_rows) {
  const std::pair<Format, const char*> named[] = {{kBinaryStochastic, "binary_stochastic"},
                                                  {kTtq, "ttq"},
                                                  {kBitnet, "bitnet"},
                                                  {kMxint8, "mxint8"},
                                                  {kFp8E4m3, "fp8_e4m3"},
                                                  {kFp8E5m2, "fp8_e5m2"},
                                                  {kFp6E3m2, "fp6_e3m2"},
                                                  {kFp6E2m3, "fp6_e2m3"},
                                                  {kFp4E2m1, "fp4_e2m1"},
                                                  {kMxfp8E4m3, "mxfp8_e4m3"},
                                                  {kMxfp8E5m2, "mxfp8_e5m2"},
                                                  {kMxfp6E3m2, "mxfp6_e3m2"},
                                                  {kMxfp6E2m3, "mxfp6_e2m3"},
                                                  {kMxfp4, "mxfp4"},
                                                  {kNvfp4, "nvfp4"}};
  for (const auto& [format, name] : named) BOOST_TEST(format.name() == name);
}

BOOST_AUTO_TEST_CASE(published_sizes_are_those_of_the_table) {
  const std::pair<const char*, double> sizes[] = {
      {"int4", 4},      {"fp8_e4m3", 8},  {"mxfp8_e4m3", 8.25}, {"mxfp6_e3m2", 6.25}, {"mxfp4", 4.25},
      {"mxint8", 8.25}, {"mx9", 9},       {"mx6", 6},           {"mx4", 4},           {"nvfp4", 4.5},
      {"nf4", 4.5},     {"ternary", 1.6}, {"binary", 1},        {"vsq4", 4.25},       {"kmeans4", 4}};
  for (const auto& [name, bits] : sizes)
    BOOST_TEST(format_named(name, "test").effective_bits() == bits, name);
}

BOOST_AUTO_TEST_CASE(formats_ascend_by_their_effective_bits) {
  std::vector<Format> all = all_formats();
  all.push_back(32);
  std::sort(all.begin(), all.end());
  BOOST_TEST((all.back() == Format(32)));
  for (std::size_t i = 1; i < all.size(); ++i) {
    BOOST_TEST(all[i - 1].effective_bits() <= all[i].effective_bits());
    BOOST_TEST((all[i - 1] < all[i]));
  }
}

BOOST_AUTO_TEST_CASE(unknown_names_and_codes_are_refused_with_the_nearest) {
  for (const char* name : {"int1", "int17", "int04", "int", "uint0", "kmeans9", "fp8", "", "mxfp4 ", "INT4"})
    BOOST_TEST(!find_format(name).has_value(), name);
  for (int code : {0, 17, 31, 33, 100, 117, 201, 606, 700, 1000, -4})
    BOOST_TEST(!format_of_code(code).has_value());
  const auto message = [](const char* name) -> std::string {
    try {
      format_named(name, "layer 3");
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "accepted";
  };
  BOOST_TEST(message("int17") == "layer 3: there is no format 'int17'; allowed: int2 to int16");
  BOOST_TEST(
      message("mxpf4") ==
      "layer 3: there is no format 'mxpf4', did you mean 'mxfp4'?; bitsmith quantize --list shows all");
  BOOST_CHECK_THROW(Format(32).row(), base::InternalError);
}

BOOST_AUTO_TEST_SUITE_END()
