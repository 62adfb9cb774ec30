#pragma once

#include <turbojpeg.h>
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

/// Image files for tests: PNG chunk by chunk (ISO/IEC 15948), JPEG by libjpeg-turbo's encoder.
namespace bitsmith::tests {

inline std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string covered = type + data;
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(covered.data()), static_cast<uInt>(covered.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + covered +
         big_endian(static_cast<std::uint32_t>(sum));
}

/// PNG's types of colour.
inline constexpr char kPngGray = 0, kPngColours = 2, kPngPalette = 3, kPngGrayAlpha = 4, kPngColoursAlpha = 6;

/// `rows` are the bytes of all rows, without filter bytes; `more` are chunks before the data.
inline std::string png_bytes(std::uint32_t height, std::uint32_t width, char depth, char type,
                             const std::string& rows, const std::string& more = "") {
  std::string filtered;
  const std::size_t row = height > 0 ? rows.size() / height : 0;
  for (std::size_t at = 0; row > 0 && at < rows.size(); at += row) filtered += '\0' + rows.substr(at, row);
  uLongf size = compressBound(static_cast<uLong>(filtered.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(filtered.data()),
           static_cast<uLong>(filtered.size()));
  packed.resize(size);
  const std::string header = big_endian(width) + big_endian(height) + depth + type + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + more + png_chunk("IDAT", packed) +
         png_chunk("IEND", "");
}

/// `format`: TJPF_GRAY, TJPF_RGB or TJPF_CMYK.
inline std::string jpeg_bytes(int height, int width, int format, const std::vector<std::uint8_t>& pixels,
                              int quality = 95) {
  const tjhandle handle = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, pixels.data(), width, 0, height, format, &bytes, &size,
              format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
  const std::string file(reinterpret_cast<const char*>(bytes), size);
  tjFree(bytes);
  tjDestroy(handle);
  return file;
}

}  // namespace bitsmith::tests
