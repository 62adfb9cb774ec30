#include "trainer/data/image_decoder.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "tests/quant/base/temporary_folder.hpp"
#include "tests/trainer/data/made_up_images.hpp"

namespace {
using namespace bitsmith;
using namespace bitsmith::trainer;
using namespace bitsmith::tests;
using base::UserError;

std::span<const std::uint8_t> as_file(const std::string& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

DecodedImage decode(const std::string& bytes) {
  DecodedImage image;
  decode_image(as_file(bytes), image);
  BOOST_TEST((image_shape(as_file(bytes)) == image.shape));
  BOOST_TEST(image.pixels.size() == static_cast<std::size_t>(image.shape.elements()));
  return image;
}

std::string why_refused(const std::string& bytes) {
  try {
    DecodedImage image;
    decode_image(as_file(bytes), image);
  } catch (const UserError& error) {
    return error.what();
  }
  return {};
}

void check_pixels(const DecodedImage& image, const quant::Shape& shape, const std::vector<int>& pixels) {
  BOOST_TEST((image.shape == shape));
  BOOST_TEST(std::vector<int>(image.pixels.begin(), image.pixels.end()) == pixels,
             boost::test_tools::per_element());
}

/// Soft colours, which JPEG keeps nearly as they are.
std::vector<std::uint8_t> soft_pixels(int height, int width, int channels) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        pixels.push_back(static_cast<std::uint8_t>(60 + 3 * y + 2 * x + 20 * c));
  return pixels;
}

int largest_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  BOOST_REQUIRE(a.size() == b.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(int{a[i]} - int{b[i]}));
  return largest;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(decoding_images)

BOOST_AUTO_TEST_CASE(every_kind_of_png_becomes_gray_or_colours_of_8_bits) {
  check_pixels(decode(png_bytes(2, 3, 8, kPngGray, {0, 1, 2, 100, 127, '\xff'})), {1, 2, 3},
               {0, 1, 2, 100, 127, 255});
  check_pixels(decode(png_bytes(1, 2, 8, kPngColours, {1, 2, 3, 4, 5, 6})), {3, 1, 2}, {1, 2, 3, 4, 5, 6});
  // Few bits become 8, in equal steps: 0b0110'0000 is 0, 1, 1, 0; 0b00'01'10'11 is 0, 1, 2, 3 thirds.
  check_pixels(decode(png_bytes(1, 4, 1, kPngGray, {0x60})), {1, 1, 4}, {0, 255, 255, 0});
  check_pixels(decode(png_bytes(1, 4, 2, kPngGray, {0x1b})), {1, 1, 4}, {0, 85, 170, 255});
  check_pixels(decode(png_bytes(1, 2, 4, kPngGray, {0x1f})), {1, 1, 2}, {17, 255});
  // 16 bits are divided by 257, to nearest: 0x0100 / 257 is 0.996, 0x0080 / 257 is 0.498.
  check_pixels(decode(png_bytes(1, 4, 16, kPngGray, std::string("\x01\x00\x00\x80\xff\xff\x80\x80", 8))),
               {1, 1, 4}, {1, 0, 255, 128});
  check_pixels(decode(png_bytes(1, 1, 16, kPngColours, std::string("\x10\x10\x20\x20\x30\x30", 6))),
               {3, 1, 1}, {16, 32, 48});
  const std::string palette = png_chunk("PLTE", {10, 20, 30, 40, 50, 60});
  check_pixels(decode(png_bytes(1, 2, 8, kPngPalette, {1, 0}, palette)), {3, 1, 2}, {40, 50, 60, 10, 20, 30});
}

BOOST_AUTO_TEST_CASE(alpha_is_left_out_and_colours_beneath_it_are_kept) {
  check_pixels(decode(png_bytes(1, 2, 8, kPngColoursAlpha, {1, 2, 3, 0, 4, 5, 6, '\x80'})), {3, 1, 2},
               {1, 2, 3, 4, 5, 6});
  check_pixels(decode(png_bytes(1, 2, 8, kPngGrayAlpha, {7, 0, 9, 1})), {1, 1, 2}, {7, 9});
  const std::string palette = png_chunk("PLTE", {10, 20, 30, 40, 50, 60}) + png_chunk("tRNS", {0, 99});
  check_pixels(decode(png_bytes(1, 2, 8, kPngPalette, {1, 0}, palette)), {3, 1, 2}, {40, 50, 60, 10, 20, 30});
}

BOOST_AUTO_TEST_CASE(jpegs_of_gray_colours_and_inks_are_decoded) {
  constexpr int kJpegLoss = 3;
  const auto gray = soft_pixels(9, 13, 1), colours = soft_pixels(9, 13, 3);
  const DecodedImage one = decode(jpeg_bytes(9, 13, TJPF_GRAY, gray)),
                     three = decode(jpeg_bytes(9, 13, TJPF_RGB, colours));
  BOOST_TEST((one.shape == quant::Shape{1, 9, 13}));
  BOOST_TEST(largest_difference(one.pixels, gray) <= kJpegLoss);
  BOOST_TEST((three.shape == quant::Shape{3, 9, 13}));
  BOOST_TEST(largest_difference(three.pixels, colours) <= kJpegLoss);
  // Adobe's inks are inverted: with black 255 cyan is red; half of black halves it.
  std::vector<std::uint8_t> inks;
  for (int i = 0; i < 64; ++i) inks.insert(inks.end(), {200, 100, 50, 128});
  const DecodedImage print = decode(jpeg_bytes(8, 8, TJPF_CMYK, inks, 100));
  BOOST_TEST((print.shape == quant::Shape{3, 8, 8}));
  for (std::size_t c = 0; c < 3; ++c)
    BOOST_TEST(std::abs(print.pixels[c] - inks[c] * 128 / 255) <= kJpegLoss);
}

BOOST_AUTO_TEST_CASE(what_is_no_image_is_refused_with_a_reason) {
  const auto refused = [](const std::string& bytes, const std::string& reason) {
    BOOST_TEST(why_refused(bytes).find(reason) != std::string::npos, why_refused(bytes)
                                                                         << " lacks " << reason);
  };
  refused("", "is empty");
  refused("GIF89a......", "is neither PNG nor JPEG");
  refused("\x89PNG\r\n\x1a\n", "damaged PNG");
  refused("\xff\xd8\xff", "damaged JPEG");
  refused(png_bytes(0, 3, 8, kPngGray, ""), "damaged PNG");
  refused(png_bytes(1, 3, 7, kPngGray, "abc"), "damaged PNG");
  refused(png_bytes(1, 3, 8, 5, "abc"), "damaged PNG");
  refused(png_bytes(1, 2, 8, kPngPalette, {0, 0}), "damaged PNG");  // without a palette
  refused(png_bytes(1, 4, 8, kPngGray, "abc"), "damaged PNG");      // less than the header says
  std::string sum = png_bytes(1, 3, 8, kPngGray, "abc");
  sum[sum.size() - 20] ^= 1;
  refused(sum, "damaged PNG");
}

BOOST_AUTO_TEST_CASE(absurd_sizes_are_refused_before_anything_is_allocated) {
  BOOST_TEST(why_refused(png_bytes(900'000, 900'000, 8, kPngGray, "a")).find("has 900000 x 900000 pixels") !=
             std::string::npos);
  BOOST_TEST(why_refused(png_bytes(8000, 8000, 16, kPngColours, "a")).find("truncated") != std::string::npos);
  std::string jpeg = jpeg_bytes(8, 8, TJPF_GRAY, soft_pixels(8, 8, 1));
  const std::size_t frame = jpeg.find("\xff\xc0");  // then two bytes of length, the precision, height, width
  BOOST_REQUIRE(frame != std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\xdc\xff\xdc");
  BOOST_TEST(why_refused(jpeg).find("has 65500 x 65500 pixels") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(truncated_files_are_refused_at_every_length) {
  const std::string png = png_bytes(6, 5, 8, kPngColours, std::string(90, 'x')),
                    jpeg = jpeg_bytes(24, 24, TJPF_RGB, soft_pixels(24, 24, 3));
  const std::size_t data_end = png.size() - 12;  // IEND carries nothing
  for (std::size_t length = 0; length < data_end; ++length)
    BOOST_REQUIRE_MESSAGE(!why_refused(png.substr(0, length)).empty(), length);
  for (std::size_t length = 0; length + 2 < jpeg.size(); ++length)
    BOOST_REQUIRE_MESSAGE(!why_refused(jpeg.substr(0, length)).empty(), length);
}

BOOST_AUTO_TEST_CASE(bytes_too_many_before_the_end_of_a_jpeg_do_no_harm) {
  const auto pixels = soft_pixels(16, 16, 1);
  const std::string good = jpeg_bytes(16, 16, TJPF_GRAY, pixels);
  const std::string padded = good.substr(0, good.size() - 2) + std::string(3, '\0') + "\xff\xd9";
  BOOST_TEST(why_refused(padded) == "");
  BOOST_TEST(decode(padded).pixels == decode(good).pixels, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(damaged_bytes_never_do_more_than_be_refused_or_change_pixels) {
  base::Rng rng(5);
  const std::string files[] = {
      png_bytes(6, 5, 8, kPngColoursAlpha, std::string(120, 'x')),
      png_bytes(7, 3, 8, kPngPalette, std::string(21, '\1'), png_chunk("PLTE", "abcdef")),
      jpeg_bytes(24, 24, TJPF_RGB, soft_pixels(24, 24, 3)),
      jpeg_bytes(9, 9, TJPF_CMYK, soft_pixels(9, 9, 4))};
  int refused = 0;
  for (const std::string& file : files)
    for (int round = 0; round < 1500; ++round) {
      std::string damaged = file;
      const std::uint64_t changes = 1 + rng.below(4);
      for (std::uint64_t i = 0; i < changes; ++i)
        damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
      DecodedImage image;
      try {
        decode_image(as_file(damaged), image);
        BOOST_REQUIRE(image.pixels.size() == static_cast<std::size_t>(image.shape.elements()));
      } catch (const UserError&) {
        ++refused;
      }
    }
  BOOST_TEST(refused > 1000);
}

BOOST_AUTO_TEST_SUITE_END()
