#include "trainer/data/image_store.hpp"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "quant/base/error.hpp"
#include "trainer/data/planes.hpp"

namespace bitsmith::trainer {
namespace {

std::int64_t count_images(const quant::Shape& shape, std::size_t pixels) {
  const auto elements = static_cast<std::size_t>(shape.elements());
  base::require(elements > 0 && pixels % elements == 0, "images that are not whole");
  return static_cast<std::int64_t>(pixels / elements);
}

class MemoryBytes final : public ImageStore {
 public:
  MemoryBytes(quant::Shape shape, std::vector<std::uint8_t> pixels)
      : ImageStore(shape, count_images(shape, pixels.size()), false), pixels_(std::move(pixels)) {}
  const std::uint8_t* bytes(std::int64_t index, ImageScratch&) const override {
    return pixels_.data() + index * shape().elements();
  }

 private:
  std::vector<std::uint8_t> pixels_;
};

class MemoryFloats final : public ImageStore {
 public:
  MemoryFloats(quant::Shape shape, std::vector<float> pixels)
      : ImageStore(shape, count_images(shape, pixels.size()), true), pixels_(std::move(pixels)) {}
  const float* floats(std::int64_t index, ImageScratch&) const override {
    return pixels_.data() + index * shape().elements();
  }

 private:
  std::vector<float> pixels_;
};

class FileBytes final : public ImageStore {
 public:
  FileBytes(const std::string& path, std::uint64_t offset, quant::Shape shape, std::int64_t images)
      : ImageStore(shape, images, false), file_(path), offset_(offset) {
    const auto needed = offset + static_cast<std::uint64_t>(images) * image_bytes();
    if (file_.size() < needed)
      throw base::UserError(
          fmt::format("{}: truncated: {} bytes, {} are needed", path, file_.size(), needed));
  }

  const std::uint8_t* bytes(std::int64_t index, ImageScratch& scratch) const override {
    // Planes behind the pixels that they become.
    const std::size_t size = image_bytes(), planes = shape().channels > 1 ? size : 0;
    scratch.bytes.resize(size + planes);
    const std::span<std::uint8_t> read(scratch.bytes.data() + planes, size);
    file_.read(offset_ + static_cast<std::uint64_t>(index) * size, std::as_writable_bytes(read));
    if (planes > 0) to_channels_innermost(read.data(), shape(), scratch.bytes.data());
    return scratch.bytes.data();
  }

 private:
  std::size_t image_bytes() const { return static_cast<std::size_t>(shape().elements()); }

  base::RandomAccessFile file_;
  std::uint64_t offset_;
};

}  // namespace

const std::uint8_t* ImageStore::bytes(std::int64_t, ImageScratch&) const {
  throw base::InternalError("images of floats asked for bytes");
}
const float* ImageStore::floats(std::int64_t, ImageScratch&) const {
  throw base::InternalError("images of bytes asked for floats");
}

std::shared_ptr<const ImageStore> images_in_memory(quant::Shape shape, std::vector<std::uint8_t> pixels) {
  return std::make_shared<MemoryBytes>(shape, std::move(pixels));
}
std::shared_ptr<const ImageStore> images_in_memory(quant::Shape shape, std::vector<float> pixels) {
  return std::make_shared<MemoryFloats>(shape, std::move(pixels));
}
std::shared_ptr<const ImageStore> images_in_file(const std::string& path, std::uint64_t offset,
                                                 quant::Shape shape, std::int64_t images) {
  return std::make_shared<FileBytes>(path, offset, shape, images);
}

}  // namespace bitsmith::trainer
