#include "trainer/data/hdf5_images.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"

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

}  // namespace

Dataset load_hdf5_images(std::span<const std::string> files, DataRole) {
  if (files.size() != 1)
    throw base::UserError(fmt::format("format hdf5 needs one file, got {}", files.size()));
  const auto file = base::hdf5::File::open(files[0]);
  check_objects(file);
  const auto extents = file.extents("images");
  check_extents(files[0], extents, file.extents("labels"));

  Dataset dataset;
  dataset.source = files[0];
  dataset.shape = {static_cast<int>(extents[1]), static_cast<int>(extents[2]), static_cast<int>(extents[3])};
  const auto labels = file.read<std::int32_t>("labels").values;
  dataset.labels.assign(labels.begin(), labels.end());
  switch (const auto type = file.type("images")) {
    case base::hdf5::ElementType::uint8:
      dataset.bytes = channels_innermost(file.read<std::uint8_t>("images").values, dataset.shape);
      break;
    case base::hdf5::ElementType::float32:
      dataset.floats = channels_innermost(file.read<float>("images").values, dataset.shape);
      break;
    default:
      throw base::UserError(fmt::format("{}: 'images' holds {}, expected uint8 or float32", files[0],
                                        base::hdf5::element_type_name(type)));
  }
  return dataset;
}

}  // namespace bitsmith::trainer
