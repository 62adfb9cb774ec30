#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/formats/encoding.hpp"
#include "tests/quant/formats/samples.hpp"

using namespace bitsmith;
using namespace bitsmith::quant;
using namespace bitsmith::quant::test;

namespace {

constexpr std::size_t kElements = 8192;

/// The least signal-to-noise ratio in dB that a format may reach on 8192 numbers of unit variance, in groups
/// of 128 where it has no blocks of its own; a tenth to half a dB below what it reaches, so that a change
/// which costs an eighth of a bit is seen. 6.02 dB are a bit of uniform steps.
struct Budget {
  std::string_view format;
  double normal, laplace, outliers;
};

// clang-format off
constexpr std::array kBudgets{
    Budget{"int2", 2.2, 1.9, 6.7}, Budget{"int3", 11.2, 8.7, 9.6}, Budget{"int4", 18.6, 15.8, 11.3},
    Budget{"int5", 25.2, 22.2, 15.3}, Budget{"int6", 31.6, 28.5, 20.9}, Budget{"int7", 37.7, 34.6, 27.2},
    Budget{"int8", 43.9, 40.7, 33.3}, Budget{"int9", 49.8, 46.8, 39.5}, Budget{"int10", 55.8, 52.8, 45.4},
    Budget{"int11", 62.0, 58.8, 51.5}, Budget{"int12", 68.0, 64.9, 57.5}, Budget{"int13", 74.0, 70.8, 63.5},
    Budget{"int14", 80.0, 77.0, 69.3}, Budget{"int15", 85.9, 82.9, 75.6}, Budget{"int16", 91.9, 89.0, 81.6},
    Budget{"uint1", 0.0, 0.2, 4.6}, Budget{"uint2", 5.9, 4.7, 8.7}, Budget{"uint3", 13.3, 11.1, 10.6},
    Budget{"uint4", 19.8, 17.5, 13.8}, Budget{"uint5", 26.2, 23.8, 19.1}, Budget{"uint6", 32.4, 29.9, 25.1},
    Budget{"uint7", 38.4, 36.0, 31.3}, Budget{"uint8", 44.5, 42.0, 37.5}, Budget{"uint9", 50.6, 48.1, 43.6},
    Budget{"uint10", 56.6, 54.1, 49.3}, Budget{"uint11", 62.6, 60.2, 55.4},
    Budget{"uint12", 68.6, 66.2, 61.5}, Budget{"uint13", 74.6, 72.2, 67.6},
    Budget{"uint14", 80.6, 78.3, 73.6}, Budget{"uint15", 86.7, 84.2, 79.6},
    Budget{"uint16", 92.6, 90.2, 85.6}, Budget{"pow2_2", 3.3, 2.0, 6.2}, Budget{"pow2_3", 12.6, 10.3, 8.6},
    Budget{"pow2_4", 14.2, 14.1, 13.4}, Budget{"pow2_5", 14.2, 14.1, 13.5},
    Budget{"pow2_6", 14.2, 14.1, 13.5}, Budget{"pow2_7", 14.2, 14.1, 13.5},
    Budget{"pow2_8", 14.2, 14.1, 13.5}, Budget{"quadratic2", 2.2, 1.9, 6.7},
    Budget{"quadratic3", 11.1, 10.4, 11.3}, Budget{"quadratic4", 18.3, 17.3, 18.1},
    Budget{"quadratic5", 24.8, 24.0, 24.2}, Budget{"quadratic6", 31.2, 30.3, 30.6},
    Budget{"quadratic7", 37.3, 36.4, 36.5}, Budget{"quadratic8", 43.4, 42.5, 42.6},
    Budget{"kmeans1", 4.3, 2.9, 1.8}, Budget{"kmeans2", 9.2, 7.4, 7.0}, Budget{"kmeans3", 14.6, 12.6, 11.6},
    Budget{"kmeans4", 20.2, 17.7, 17.9}, Budget{"kmeans5", 26.2, 24.5, 24.4},
    Budget{"kmeans6", 32.3, 30.6, 32.0}, Budget{"kmeans7", 38.6, 37.2, 41.2},
    Budget{"kmeans8", 45.1, 44.0, 50.1}, Budget{"binary", 4.4, 3.0, 0.7},
    Budget{"binary_stochastic", 1.8, 0.6, 0.5}, Budget{"ternary", 7.2, 5.5, 1.1},
    Budget{"ttq", 5.3, 4.2, 2.5}, Budget{"bitnet", 5.8, 4.0, 0.9}, Budget{"fp8_e4m3", 31.7, 32.0, 36.4},
    Budget{"fp8_e5m2", 25.7, 26.1, 30.6}, Budget{"fp6_e3m2", 25.7, 26.1, 30.6},
    Budget{"fp6_e2m3", 31.4, 31.0, 26.6}, Budget{"fp4_e2m1", 19.2, 18.1, 13.7},
    Budget{"nf4", 20.7, 19.5, 16.3}, Budget{"mxfp8_e4m3", 30.4, 29.8, 29.1},
    Budget{"mxfp8_e5m2", 25.3, 25.1, 25.4}, Budget{"mxfp6_e3m2", 25.3, 25.1, 25.3},
    Budget{"mxfp6_e2m3", 30.7, 30.3, 27.5}, Budget{"mxfp4", 18.7, 17.9, 15.6},
    Budget{"mxint8", 41.6, 39.9, 35.6}, Budget{"mx9", 46.4, 45.5, 43.1}, Budget{"mx6", 28.2, 27.4, 25.1},
    Budget{"mx4", 15.6, 14.8, 15.1}, Budget{"nvfp4", 20.3, 20.5, 21.1}, Budget{"vsq2", 4.5, 4.7, 6.8},
    Budget{"vsq3", 13.9, 12.3, 9.5}, Budget{"vsq4", 20.5, 18.6, 10.2}, Budget{"vsq5", 25.3, 22.4, 10.6},
    Budget{"vsq6", 27.6, 24.0, 10.8}, Budget{"vsq7", 28.4, 24.5, 10.9}, Budget{"vsq8", 28.6, 24.7, 10.9},
};
// clang-format on

EncodingOptions usual(Format format) {
  EncodingOptions options;
  if (format.row().block == 0 && format.row().kind != FormatKind::kmeans)
    options.slicing = {Grain::group, -1, 128};
  return options;
}

double sqnr(Format format, Shape shape) {
  const auto x = sample(kElements, 42, shape);
  return measure_error(x, round_trip(x, format, usual(format))).sqnr_db;
}

const Budget* budget_of(Format format) {
  for (const Budget& budget : kBudgets)
    if (budget.format == format.name()) return &budget;
  return nullptr;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(format_errors)

BOOST_AUTO_TEST_CASE(every_format_keeps_its_error_budget) {
  for (Format format : all_formats()) {
    const Budget* budget = budget_of(format);
    BOOST_TEST_REQUIRE(budget != nullptr, format.name() << " has no budget");
    for (const auto& [shape, least] :
         {std::pair{Shape::normal, budget->normal}, std::pair{Shape::laplace, budget->laplace},
          std::pair{Shape::outliers, budget->outliers}}) {
      const double reached = sqnr(format, shape);
      BOOST_TEST(reached >= least, format.name()
                                       << " on " << shape_name(shape) << " numbers: " << reached << " dB");
      // Far above it the budget says nothing, or the numbers are not those it was set for.
      BOOST_TEST(reached < least + 1, format.name()
                                          << " on " << shape_name(shape) << " numbers: " << reached << " dB");
    }
  }
}

BOOST_AUTO_TEST_CASE(more_bits_of_a_family_never_lose_more) {
  for (Shape shape : {Shape::normal, Shape::laplace, Shape::outliers})
    for (const FormatRow& row : format_rows()) {
      if (!row.numbered) continue;
      double last = -std::numeric_limits<double>::infinity();
      for (int bits = row.low_bits; bits <= row.high_bits; ++bits) {
        const double reached = sqnr(row.code + bits, shape);
        // Powers of two only gain smaller levels, and soon none that matter.
        BOOST_TEST(reached > last - 1e-9, row.name << bits);
        last = reached;
      }
    }
}

BOOST_AUTO_TEST_CASE(errors_are_measured_by_their_definitions) {
  const std::vector<float> x = {3, -4, 0}, y = {3, -3, 1};
  const ErrorMeasures measures = measure_error(x, y);
  BOOST_TEST(measures.mse == 2.0 / 3);
  BOOST_TEST(measures.max_error == 1);
  BOOST_TEST(measures.sqnr_db == 10 * std::log10(25.0 / 2));
  BOOST_TEST(measures.cosine == 21 / std::sqrt(25.0 * 19), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(measure_error(x, x).sqnr_db == std::numeric_limits<double>::infinity());
  BOOST_TEST(measure_error(x, x).cosine == 1, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(errors_of_zeros_and_of_nan_are_defined) {
  const std::vector<float> zero = {0, 0}, one = {1, 0}, nan = {NAN, 0};
  BOOST_TEST(measure_error(zero, zero).cosine == 1);
  BOOST_TEST(measure_error(zero, one).cosine == 0);
  BOOST_TEST(measure_error(one, zero).sqnr_db == 0);
  BOOST_TEST(std::isnan(measure_error(one, nan).max_error));
  BOOST_CHECK_THROW(measure_error(one, std::vector<float>{1}), base::InternalError);
  BOOST_CHECK_THROW(measure_error({}, {}), base::InternalError);
}

BOOST_AUTO_TEST_SUITE_END()
