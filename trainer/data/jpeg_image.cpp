#include <fmt/format.h>
#include <turbojpeg.h>

#include <string_view>

#include "quant/base/error.hpp"
#include "trainer/data/image_decoder.hpp"

namespace bitsmith::trainer {
namespace {

class JpegReader {
 public:
  explicit JpegReader(std::span<const std::uint8_t> file) : file_(file), handle_(tjInitDecompress()) {
    if (handle_ == nullptr) throw base::InternalError("libjpeg-turbo gives no decoder");
    try {
      if (tjDecompressHeader3(handle_, file_.data(), file_.size(), &width_, &height_, &subsampling_,
                              &colours_) != 0 &&
          tjGetErrorCode(handle_) != TJERR_WARNING)
        refuse();
      if (width_ < 1 || height_ < 1) throw base::UserError("is a damaged JPEG (no image is in it)");
      check_image_size(height_, width_);
    } catch (...) {
      tjDestroy(handle_);
      throw;
    }
  }
  ~JpegReader() { tjDestroy(handle_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  quant::Shape shape() const { return {colours_ == TJCS_GRAY ? 1 : 3, height_, width_}; }

  void decode(DecodedImage& decoded) {
    decoded.shape = shape();
    const bool inks = colours_ == TJCS_CMYK || colours_ == TJCS_YCCK;
    const int format = inks ? TJPF_CMYK : colours_ == TJCS_GRAY ? TJPF_GRAY : TJPF_RGB;
    decoded.pixels.resize(static_cast<std::size_t>(decoded.shape.pixels()) *
                          static_cast<std::size_t>(tjPixelSize[format]));
    // The slow and exact transform, as libjpeg's default is.
    if (tjDecompress2(handle_, file_.data(), file_.size(), decoded.pixels.data(), width_, 0, height_, format,
                      TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS) != 0 &&
        !is_harmless())
      refuse();
    if (inks) to_colours(decoded);
  }

 private:
  [[noreturn]] void refuse() const {
    throw base::UserError(fmt::format("is a damaged JPEG, or one of a kind that is not supported ({})",
                                      tjGetErrorStr2(handle_)));
  }

  /// Bytes too many before the end of the image, which cameras and editors leave: the pixels are whole then.
  /// libjpeg tells the first warning, and what is missing would have been told before.
  bool is_harmless() const {
    const std::string_view message = tjGetErrorStr2(handle_);
    return tjGetErrorCode(handle_) == TJERR_WARNING && message.find("extraneous bytes") != message.npos &&
           message.find("0xd9") != message.npos;
  }

  static void to_colours(DecodedImage& decoded) {
    std::uint8_t* const values = decoded.pixels.data();
    const auto pixels = static_cast<std::size_t>(decoded.shape.pixels());
    // a - a * (255 - b) / 255, the quotient rounded to nearest.
    const auto product = [](int black, int ink) {
      const int scaled = black * (255 - ink);
      return static_cast<std::uint8_t>(black - (2 * scaled + 255) / 510);
    };
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::uint8_t* const inks = values + 4 * i;
      const int black = inks[3];
      const std::uint8_t rgb[] = {product(black, inks[0]), product(black, inks[1]), product(black, inks[2])};
      for (std::size_t c = 0; c < 3; ++c) values[3 * i + c] = rgb[c];
    }
    decoded.pixels.resize(3 * pixels);
  }

  std::span<const std::uint8_t> file_;
  tjhandle handle_;
  int width_ = 0, height_ = 0, subsampling_ = 0, colours_ = TJCS_RGB;
};

}  // namespace

bool is_jpeg(std::span<const std::uint8_t> file) {
  return file.size() >= 3 && file[0] == 0xff && file[1] == 0xd8 && file[2] == 0xff;
}

quant::Shape jpeg_shape(std::span<const std::uint8_t> file) { return JpegReader(file).shape(); }

void decode_jpeg(std::span<const std::uint8_t> file, DecodedImage& image) { JpegReader(file).decode(image); }

}  // namespace bitsmith::trainer
