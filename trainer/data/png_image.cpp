#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <string>

#include "quant/base/error.hpp"
#include "trainer/data/image_decoder.hpp"

namespace bitsmith::trainer {
namespace {

constexpr std::uint8_t kSignature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/// libpng's simplified reader, from the header on.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> file) : file_(file) {
    image_.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(&image_, file.data(), file.size()) == 0) refuse();
    try {
      check_image_size(image_.height, image_.width);
      check_data_bytes();
    } catch (...) {
      png_image_free(&image_);
      throw;
    }
    // 16-bit values without a gamma are taken as sRGB's like 8-bit ones, not as linear light.
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  }
  ~PngReader() { png_image_free(&image_); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  quant::Shape shape() const {
    return {(image_.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1, static_cast<int>(image_.height),
            static_cast<int>(image_.width)};
  }

  void decode(DecodedImage& decoded) {
    decoded.shape = shape();
    const bool alpha = (image_.format & PNG_FORMAT_FLAG_ALPHA) != 0;
    image_.format = (decoded.shape.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) |
                    (alpha ? PNG_FORMAT_FLAG_ALPHA : 0);
    decoded.pixels.resize(PNG_IMAGE_SIZE(image_));
    if (png_image_finish_read(&image_, nullptr, decoded.pixels.data(), 0, nullptr) == 0) refuse();
    if (alpha) drop_alpha(decoded);
  }

 private:
  [[noreturn]] void refuse() const {
    throw base::UserError(fmt::format("is a damaged PNG ({})", image_.message));
  }

  /// Deflate makes at most 1032 bytes of one: what a header promises beyond that is not there.
  void check_data_bytes() const {
    constexpr std::size_t kDepthAt = 24, kTypeAt = 25;
    constexpr std::uint64_t kMostPerByte = 1032;
    constexpr int kChannels[] = {1, 0, 3, 1, 2, 0, 4};
    const auto bits = static_cast<std::uint64_t>(file_[kDepthAt] * kChannels[file_[kTypeAt] % 7]);
    const std::uint64_t bytes = std::uint64_t{image_.height} * ((image_.width * bits + 7) / 8);
    if (bytes / kMostPerByte > file_.size())
      throw base::UserError(fmt::format("is a damaged PNG ({} bytes cannot hold {} x {} pixels: truncated)",
                                        file_.size(), image_.height, image_.width));
  }

  static void drop_alpha(DecodedImage& decoded) {
    const auto channels = static_cast<std::size_t>(decoded.shape.channels);
    const auto pixels = static_cast<std::size_t>(decoded.shape.pixels());
    std::uint8_t* const values = decoded.pixels.data();
    for (std::size_t i = 0; i < pixels; ++i)
      for (std::size_t c = 0; c < channels; ++c) values[i * channels + c] = values[i * (channels + 1) + c];
    decoded.pixels.resize(pixels * channels);
  }

  std::span<const std::uint8_t> file_;
  png_image image_{};
};

}  // namespace

bool is_png(std::span<const std::uint8_t> file) {
  return file.size() >= std::size(kSignature) &&
         std::equal(std::begin(kSignature), std::end(kSignature), file.begin());
}

quant::Shape png_shape(std::span<const std::uint8_t> file) { return PngReader(file).shape(); }

void decode_png(std::span<const std::uint8_t> file, DecodedImage& image) { PngReader(file).decode(image); }

}  // namespace bitsmith::trainer
