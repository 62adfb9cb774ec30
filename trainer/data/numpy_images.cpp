#include "trainer/data/numpy_images.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/npy.hpp"
#include "trainer/data/planes.hpp"
#include "trainer/data/prepared_images.hpp"

namespace bitsmith::trainer {
namespace {

constexpr std::uint64_t kMaxExtent = 1 << 16, kMaxImages = 1 << 30;

/// Sets everything but the offset. `what` is the array, for messages.
FileImages images_of(const base::NpyFile& array, ArrayLayout layout, const std::string& what) {
  const std::vector<std::uint64_t>& shape = array.shape;
  const bool nchw = layout == ArrayLayout::nchw;
  if (shape.size() != 3 && shape.size() != 4)
    throw base::UserError(fmt::format("{}: has the shape ({}), expected N x H x W or N x {} (data.layout)",
                                      what, fmt::join(shape, " x "), nchw ? "C x H x W" : "H x W x C"));
  FileImages images{.layout = layout, .floats = array.kind == base::NpyArray::Kind::floating};
  const bool known = images.floats
                         ? array.item_bytes == sizeof(float)
                         : array.kind == base::NpyArray::Kind::unsigned_integer && array.item_bytes == 1;
  if (!known)
    throw base::UserError(fmt::format("{}: holds {}, expected uint8 or float32", what, array.type_name()));
  const auto absurd = [](std::uint64_t extent) { return extent == 0 || extent > kMaxExtent; };
  if (shape[0] == 0) throw base::UserError(fmt::format("{}: holds no images", what));
  if (shape[0] > kMaxImages || std::any_of(shape.begin() + 1, shape.end(), absurd))
    throw base::UserError(fmt::format("{}: has the shape ({}): no images of this size can be used", what,
                                      fmt::join(shape, " x ")));
  const auto extent = [&](std::size_t d) { return static_cast<int>(shape[d]); };
  images.images = static_cast<std::int64_t>(shape[0]);
  images.shape = shape.size() == 3 ? quant::Shape{1, extent(1), extent(2)}
                 : nchw            ? quant::Shape{extent(1), extent(2), extent(3)}
                                   : quant::Shape{extent(3), extent(1), extent(2)};
  return images;
}

template <class T>
std::shared_ptr<const ImageStore> in_memory(const base::NpyArray& array, const FileImages& images) {
  std::vector<T> values(array.data.size() / sizeof(T));
  std::memcpy(values.data(), array.data.data(), values.size() * sizeof(T));
  if (images.layout == ArrayLayout::nchw) values = channels_innermost(std::move(values), images.shape);
  return images_in_memory(images.shape, std::move(values));
}

std::shared_ptr<const ImageStore> loaded(const base::NpyArray& array, ArrayLayout layout) {
  const FileImages images =
      images_of({array.kind, array.item_bytes, array.shape, false, 0}, layout, array.source);
  return images.floats ? in_memory<float>(array, images) : in_memory<std::uint8_t>(array, images);
}

std::shared_ptr<const ImageStore> images_of_npy(const std::string& path, const ReadOptions& options) {
  const base::NpyFile header = base::read_npy_header(path);
  FileImages images = images_of(header, options.layout, path);
  if (header.fortran_order || fit_memory(images.shape, images.images, images.floats, options.memory_bytes))
    return loaded(base::read_npy(path), options.layout);
  images.offset = header.offset;
  return images_in_file(path, images);
}

std::vector<int> labels_of(const base::NpyArray& array) {
  if (array.shape.size() != 1)
    throw base::UserError(fmt::format("{}: has the shape ({}), but labels have one dimension", array.source,
                                      fmt::join(array.shape, " x ")));
  std::vector<int> labels;
  for (const std::int64_t label : array.integers()) {
    if (label < 0 || label > std::numeric_limits<int>::max())
      throw base::UserError(fmt::format("{}: item {} is {}, but labels are counted from 0", array.source,
                                        labels.size(), label));
    labels.push_back(static_cast<int>(label));
  }
  return labels;
}

Dataset of_archive(const std::string& path, ArrayLayout layout) {
  const auto arrays = base::read_npz(path);
  const auto array = [&](const char* name) -> const base::NpyArray& {
    const auto found = arrays.find(name);
    if (found != arrays.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& [other, ignored] : arrays) names.push_back(other);
    throw base::UserError(
        fmt::format("{}: has no array '{}'; it holds: {}", path, name, base::join_names(names)));
  };
  const base::NpyArray &images = array("images"), &labels = array("labels");
  auto store = loaded(images, layout);
  auto values = labels_of(labels);
  if (store->images() != static_cast<std::int64_t>(values.size()))
    throw base::UserError(fmt::format("{}: {} images, but {} labels", path, store->images(), values.size()));
  return make_dataset(std::move(store), std::move(values), 0, path);
}

}  // namespace

Dataset load_numpy_images(std::span<const std::string> files, const ReadOptions& options) {
  const bool archive = files.size() == 1 && !files[0].ends_with(".npy");
  if (archive) return of_archive(files[0], options.layout);
  const bool has_labels = !(options.labels_may_lack && files.size() == 1);
  if (has_labels && files.size() != 2)
    throw base::UserError(fmt::format(
        "format numpy needs two .npy files, the images and their labels, or one .npz archive; got {}",
        files.size()));
  auto store = images_of_npy(files[0], options);
  auto labels = has_labels ? labels_of(base::read_npy(files[1]))
                           : std::vector<int>(static_cast<std::size_t>(store->images()));
  if (store->images() != static_cast<std::int64_t>(labels.size()))
    throw base::UserError(fmt::format("{} holds {} images, but {} holds {} labels", files[0], store->images(),
                                      files[1], labels.size()));
  Dataset dataset = make_dataset(std::move(store), std::move(labels), 0, files[0]);
  dataset.has_labels = has_labels;
  return dataset;
}

}  // namespace bitsmith::trainer
