#include "trainer/data/preprocessing.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "tests/quant/base/temporary_folder.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using base::UserError;
using quant::Shape;
using tests::message_has;

std::vector<std::uint8_t> random_bytes(const Shape& shape, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(shape.elements()));
  for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(rng.below(256));
  return pixels;
}

template <class T>
std::vector<T> prepared(const Preprocessing& preprocessing, const std::vector<T>& image, const Shape& shape) {
  PreparationScratch scratch;
  std::vector<T> out(static_cast<std::size_t>(prepared_shape(preprocessing, shape).elements()));
  prepare(preprocessing, image.data(), shape, out.data(), scratch);
  return out;
}

/// The weight that output `i` of `outputs` gives to input `j` of `inputs`, as the header defines it.
double weight(int i, int j, int inputs, int outputs) {
  const double ratio = static_cast<double>(inputs) / outputs, reach = std::max(1.0, ratio);
  const double centre = (i + 0.5) * ratio;
  const auto triangle = [&](int at) {
    const bool seen = at >= std::floor(centre - reach + 0.5) && at < std::floor(centre + reach + 0.5);
    return seen ? std::max(0.0, 1.0 - std::abs(at + 0.5 - centre) / reach) : 0.0;
  };
  double sum = 0.0;
  for (int at = 0; at < inputs; ++at) sum += triangle(at);
  return triangle(j) / sum;
}

/// In float64, straight from the definition, nothing rounded.
std::vector<double> reference_resize(const std::vector<double>& image, const Shape& from, int height,
                                     int width) {
  std::vector<double> out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < from.channels; ++c) {
        double sum = 0.0;
        for (int v = 0; v < from.height; ++v)
          for (int u = 0; u < from.width; ++u)
            sum += weight(y, v, from.height, height) * weight(x, u, from.width, width) *
                   image[static_cast<std::size_t>((v * from.width + u) * from.channels + c)];
        out.push_back(sum);
      }
  return out;
}

const Shape kSizes[] = {{3, 9, 14}, {1, 17, 6}, {2, 5, 5}, {4, 1, 12}, {3, 23, 1}};
const std::vector<int> kTargets[] = {{4, 7}, {9, 14}, {20, 31}, {1, 1}, {30, 3}};
}  // namespace

BOOST_AUTO_TEST_SUITE(preprocessing_images)

BOOST_AUTO_TEST_CASE(resized_bytes_are_within_two_roundings_of_the_definition) {
  constexpr double kTwoRoundings = 1.0 + 1e-3;  // half a level after the columns and after the rows
  for (const Shape& from : kSizes)
    for (const auto& to : kTargets) {
      const auto image = random_bytes(from, 1);
      const auto expected = reference_resize({image.begin(), image.end()}, from, to[0], to[1]);
      const auto found = prepared({.resize = to}, image, from);
      for (std::size_t i = 0; i < expected.size(); ++i)
        BOOST_REQUIRE(std::abs(expected[i] - found[i]) < kTwoRoundings);
    }
}

BOOST_AUTO_TEST_CASE(resized_floats_are_those_of_the_definition) {
  for (const Shape& from : kSizes)
    for (const auto& to : kTargets) {
      base::Rng rng(2);
      std::vector<float> image(static_cast<std::size_t>(from.elements()));
      for (float& pixel : image) pixel = static_cast<float>(rng.normal());
      const auto expected = reference_resize({image.begin(), image.end()}, from, to[0], to[1]);
      const auto found = prepared({.resize = to}, image, from);
      for (std::size_t i = 0; i < expected.size(); ++i)
        BOOST_REQUIRE(std::abs(expected[i] - static_cast<double>(found[i])) < 1e-6);
    }
}

BOOST_AUTO_TEST_CASE(images_of_the_wanted_size_and_even_ones_stay_what_they_are) {
  const Shape shape{3, 7, 5};
  const auto image = random_bytes(shape, 3);
  BOOST_TEST(prepared({.resize = {7, 5}}, image, shape) == image, boost::test_tools::per_element());
  const std::vector<std::uint8_t> even(60, 201);
  for (const std::uint8_t pixel : prepared({.resize = {11, 3}}, even, {3, 4, 5})) BOOST_REQUIRE(pixel == 201);
}

BOOST_AUTO_TEST_CASE(one_size_is_that_of_the_shorter_side) {
  BOOST_TEST((prepared_shape({.resize = {10}}, {3, 20, 30}) == Shape{3, 10, 15}));
  BOOST_TEST((prepared_shape({.resize = {10}}, {3, 31, 20}) == Shape{3, 15, 10}));
  BOOST_TEST((prepared_shape({.resize = {256}}, {1, 333, 500}) == Shape{1, 256, 384}));
  BOOST_TEST((prepared_shape({.resize = {8}}, {1, 4, 4}) == Shape{1, 8, 8}));
}

BOOST_AUTO_TEST_CASE(a_crop_takes_the_centre_and_halves_of_a_pixel_go_to_the_even_margin) {
  const Shape row{1, 1, 9};
  const std::vector<std::uint8_t> image{0, 1, 2, 3, 4, 5, 6, 7, 8};
  const auto first = [&](int width) { return int{prepared({.crop = {1, width}}, image, row)[0]}; };
  BOOST_TEST(first(9) == 0);
  BOOST_TEST(first(8) == 0);  // margin 1
  BOOST_TEST(first(7) == 1);
  BOOST_TEST(first(6) == 2);  // margin 3
  BOOST_TEST(first(4) == 2);  // margin 5
  BOOST_TEST(first(2) == 4);  // margin 7
  BOOST_TEST((prepared_shape({.crop = {4}}, {3, 9, 8}) == Shape{3, 4, 4}));
}

BOOST_AUTO_TEST_CASE(a_crop_of_a_resized_image_is_a_part_of_it) {
  const Shape shape{3, 19, 26};
  const auto image = random_bytes(shape, 4);
  const auto whole = prepared({.resize = {12}}, image, shape);  // 12 x 16
  const auto part = prepared({.resize = {12}, .crop = {6, 8}}, image, shape);
  for (std::size_t y = 0; y < 6; ++y)
    for (std::size_t i = 0; i < 24; ++i) BOOST_REQUIRE(part[y * 24 + i] == whole[(y + 3) * 48 + 12 + i]);
}

BOOST_AUTO_TEST_CASE(colours_become_gray_and_gray_becomes_colours) {
  const std::vector<std::uint8_t> colours{255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30};
  const std::vector<int> luma{76, 150, 29, 18};  // 0.299, 0.587 and 0.114 of 255; 18.15
  const auto gray = prepared({.color = ImageColor::gray}, colours, {3, 2, 2});
  BOOST_TEST(std::vector<int>(gray.begin(), gray.end()) == luma, boost::test_tools::per_element());
  const auto back = prepared({.color = ImageColor::rgb}, gray, {1, 2, 2});
  BOOST_REQUIRE(back.size() == 12u);
  for (std::size_t i = 0; i < back.size(); ++i) BOOST_TEST(back[i] == gray[i / 3]);
  const auto floats = prepared({.color = ImageColor::gray}, std::vector<float>{0.5f, -1.0f, 2.0f}, {3, 1, 1});
  BOOST_TEST(floats[0] == 0.299 * 0.5 - 0.587 + 0.228, boost::test_tools::tolerance(1e-6));
  BOOST_TEST((prepared_shape({.color = ImageColor::gray, .resize = {2}}, {3, 4, 8}) == Shape{1, 2, 4}));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_done_is_refused) {
  const auto refused = [](const Preprocessing& preprocessing, const Shape& shape, const char* reason) {
    BOOST_CHECK_EXCEPTION(prepared_shape(preprocessing, shape), UserError, message_has(reason));
  };
  refused({.crop = {8}}, {3, 7, 9}, "an image of 7 x 9 is smaller than the crop of 8 x 8");
  refused({.resize = {7}, .crop = {8}}, {3, 70, 90}, "an image of 7 x 9 (after resize) is smaller");
  refused({.resize = {0}}, {3, 7, 9}, "resize: [0]");
  refused({.resize = {1, 2, 3}}, {3, 7, 9}, "expected one or two numbers");
  refused({.crop = {1, -2}}, {3, 7, 9}, "crop: [1, -2]");
  refused({.color = ImageColor::rgb}, {2, 7, 9}, "2 channels are neither gray nor colours");
  refused({.resize = {256}}, {1, 1, 60'000}, "an image of 1 x 60000 would get a side of 15360000");
}

BOOST_AUTO_TEST_SUITE_END()
