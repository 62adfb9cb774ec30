#include "trainer/data/image_decoder.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

template <class Png, class Jpeg>
auto by_format(std::span<const std::uint8_t> file, Png&& png, Jpeg&& jpeg) {
  if (is_png(file)) return png();
  if (is_jpeg(file)) return jpeg();
  throw base::UserError(file.empty() ? "is empty" : "is neither PNG nor JPEG");
}

}  // namespace

quant::Shape image_shape(std::span<const std::uint8_t> file) {
  return by_format(
      file, [&] { return png_shape(file); }, [&] { return jpeg_shape(file); });
}

void decode_image(std::span<const std::uint8_t> file, DecodedImage& image) {
  by_format(
      file, [&] { decode_png(file, image); }, [&] { decode_jpeg(file, image); });
}

void check_image_size(std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1 || height > kMostImagePixels / width)
    throw base::UserError(
        fmt::format("has {} x {} pixels, allowed are 1 to {} in all", height, width, kMostImagePixels));
}

}  // namespace bitsmith::trainer
