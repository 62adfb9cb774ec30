#include "trainer/data/hdf5_images.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "trainer/data/planes.hpp"

namespace bitsmith::trainer {
namespace {

constexpr std::uint64_t kMaxExtent = 1 << 16;

void check_objects(const base::hdf5::File& file) {
  for (const char* name : {"images", "labels"})
    if (!file.exists(name))
      throw base::UserError(fmt::format("{}: has no dataset '{}'; at its root are: {}", file.path().string(),
                                        name, fmt::join(file.children(), ", ")));
}

void check_extents(const std::string& path, const base::hdf5::Extents& images,
                   const base::hdf5::Extents& labels) {
  if (images.size() != 4)
    throw base::UserError(fmt::format("{}: 'images' has the extents ({}), expected N x C x H x W", path,
                                      fmt::join(images, " x ")));
  if (labels.size() != 1)
    throw base::UserError(fmt::format("{}: 'labels' has the extents ({}), expected one dimension", path,
                                      fmt::join(labels, " x ")));
  if (images[0] != labels[0])
    throw base::UserError(fmt::format("{}: {} images, but {} labels", path, images[0], labels[0]));
  const auto absurd = [](std::uint64_t extent) { return extent == 0 || extent > kMaxExtent; };
  if (images[0] == 0 || images[0] > (1u << 30) || std::any_of(images.begin() + 1, images.end(), absurd))
    throw base::UserError(fmt::format("{}: 'images' has the extents {}: no images of this size can be used",
                                      path, fmt::join(images, " x ")));
}

std::shared_ptr<const ImageStore> pixels_of(const base::hdf5::File& file, std::uint64_t memory_bytes) {
  const auto extents = file.extents("images");
  const quant::Shape shape{static_cast<int>(extents[1]), static_cast<int>(extents[2]),
                           static_cast<int>(extents[3])};
  const auto type = file.type("images");
  const bool floats = type == base::hdf5::ElementType::float32;
  if (!floats && type != base::hdf5::ElementType::uint8)
    throw base::UserError(fmt::format("{}: 'images' holds {}, expected uint8 or float32",
                                      file.path().string(), base::hdf5::element_type_name(type)));
  const auto image_bytes = static_cast<std::uint64_t>(shape.elements()) * (floats ? sizeof(float) : 1);
  if (extents[0] > memory_bytes / image_bytes) return images_in_hdf5(file.path().string(), memory_bytes);
  if (floats) return images_in_memory(shape, channels_innermost(file.read<float>("images").values, shape));
  return images_in_memory(shape, channels_innermost(file.read<std::uint8_t>("images").values, shape));
}

}  // namespace

Dataset load_hdf5_images(std::span<const std::string> files, const ReadOptions& options) {
  if (files.size() != 1)
    throw base::UserError(fmt::format("format hdf5 needs one file, got {}", files.size()));
  const auto file = base::hdf5::File::open(files[0]);
  check_objects(file);
  const auto extents = file.extents("images");
  check_extents(files[0], extents, file.extents("labels"));

  const auto labels = file.read<std::int32_t>("labels").values;
  return make_dataset(pixels_of(file, options.memory_bytes), {labels.begin(), labels.end()}, 0, files[0]);
}

}  // namespace bitsmith::trainer
