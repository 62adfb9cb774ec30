#include "trainer/data/image_store.hpp"

#include <fmt/format.h>

#include <span>
#include <type_traits>
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

template <class T>
class FileStore final : public ImageStore {
 public:
  FileStore(const std::string& path, const FileImages& where)
      : ImageStore(where.shape, where.images, std::is_same_v<T, float>),
        file_(path),
        offset_(where.offset),
        has_planes_(where.layout == ArrayLayout::nchw && where.shape.channels > 1) {
    const auto needed = offset_ + static_cast<std::uint64_t>(images()) * values() * sizeof(T);
    if (file_.size() < needed)
      throw base::UserError(
          fmt::format("{}: truncated: {} bytes, {} are needed", path, file_.size(), needed));
  }

  const std::uint8_t* bytes(std::int64_t index, ImageScratch& scratch) const override {
    if constexpr (std::is_same_v<T, std::uint8_t>) return get(index, scratch.bytes);
    return ImageStore::bytes(index, scratch);
  }
  const float* floats(std::int64_t index, ImageScratch& scratch) const override {
    if constexpr (std::is_same_v<T, float>) return get(index, scratch.floats);
    return ImageStore::floats(index, scratch);
  }

 private:
  std::size_t values() const { return static_cast<std::size_t>(shape().elements()); }

  const T* get(std::int64_t index, std::vector<T>& memory) const {
    // Planes behind the pixels that they become.
    const std::size_t size = values(), planes = has_planes_ ? size : 0;
    memory.resize(size + planes);
    const std::span<T> read(memory.data() + planes, size);
    file_.read(offset_ + static_cast<std::uint64_t>(index) * size * sizeof(T), std::as_writable_bytes(read));
    if (planes > 0) to_channels_innermost(read.data(), shape(), memory.data());
    return memory.data();
  }

  base::RandomAccessFile file_;
  std::uint64_t offset_;
  bool has_planes_;
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
std::shared_ptr<const ImageStore> images_in_file(const std::string& path, const FileImages& where) {
  if (where.floats) return std::make_shared<FileStore<float>>(path, where);
  return std::make_shared<FileStore<std::uint8_t>>(path, where);
}

ImageScratch& thread_image_scratch() {
  thread_local ImageScratch scratch;
  return scratch;
}

}  // namespace bitsmith::trainer
