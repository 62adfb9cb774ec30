#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// An image out of its file: H, W, C with 1 channel (gray) or 3 (red, green, blue).
struct DecodedImage {
  quant::Shape shape;
  std::vector<std::uint8_t> pixels;
};

/// More are refused before anything is allocated.
inline constexpr std::int64_t kMostImagePixels = std::int64_t{1} << 26;
inline constexpr std::uint64_t kMostImageFileBytes = std::uint64_t{1} << 28;

/// The shape that decode_image would give, from the file's header alone. Throws as that does.
quant::Shape image_shape(std::span<const std::uint8_t> file);

/// Decodes a PNG or a JPEG, which its first bytes tell, not its name. Throws UserError with the reason alone,
/// without a file's name: neither of them, damaged, truncated, more than kMostImagePixels.
///
/// PNG: palettes become colours, 1 to 4 bits of gray and 16 bits per value become 8, alpha is left out (the
/// colours beneath are kept as they are), a gamma other than sRGB's becomes that.
/// JPEG: CMYK becomes colours as Adobe's inverted inks do: red = cyan * black / 255, and so on. What
/// orientation its EXIF data ask for is left to whoever made the file.
void decode_image(std::span<const std::uint8_t> file, DecodedImage& image);

/// The formats, by their first bytes.
bool is_png(std::span<const std::uint8_t> file);
bool is_jpeg(std::span<const std::uint8_t> file);
quant::Shape png_shape(std::span<const std::uint8_t> file);
quant::Shape jpeg_shape(std::span<const std::uint8_t> file);
void decode_png(std::span<const std::uint8_t> file, DecodedImage& image);
void decode_jpeg(std::span<const std::uint8_t> file, DecodedImage& image);

/// Throws UserError unless both are at least 1 and their product at most kMostImagePixels.
void check_image_size(std::int64_t height, std::int64_t width);

}  // namespace bitsmith::trainer
