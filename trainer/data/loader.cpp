#include "trainer/data/loader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/data/cifar10.hpp"
#include "trainer/data/fashion_mnist.hpp"
#include "trainer/data/folder_images.hpp"
#include "trainer/data/hdf5_images.hpp"
#include "trainer/data/idx.hpp"
#include "trainer/data/numpy_images.hpp"
#include "trainer/data/prepared_images.hpp"

namespace bitsmith::trainer {
namespace {

constexpr DataLoader kLoaders[] = {
    {DataFormat::fashion_mnist, "fashion_mnist", "none: it finds its files by itself", load_fashion_mnist},
    {DataFormat::idx, "idx", "two: the images, then their labels", load_idx},
    {DataFormat::cifar10, "cifar10", "one or more binary batches", load_cifar10},
    {DataFormat::hdf5, "hdf5", "one, with the datasets 'images' and 'labels'", load_hdf5_images},
    {DataFormat::folder, "folder", "one or more folders, with a folder of PNG and JPEG files per class",
     load_image_folder, true},
    {DataFormat::numpy, "numpy", "two .npy: the images, then their labels; or one .npz of both",
     load_numpy_images},
};

// More is no image classification but a file of something else.
constexpr int kMaxClasses = 100'000;

}  // namespace

std::span<const DataLoader> data_loaders() { return kLoaders; }

const DataLoader& data_loader(DataFormat format) {
  for (const DataLoader& loader : kLoaders)
    if (loader.format == format) return loader;
  throw base::InternalError("a data format without a loader");
}

Dataset load_dataset(DataFormat format, std::span<const std::string> files, const ReadOptions& options) {
  const DataLoader& loader = data_loader(format);
  const int classes = options.classes;
  Dataset dataset = loader.load(files, options);
  const bool inferred = dataset.classes == 0;
  if (inferred) {
    const int largest =
        dataset.labels.empty() ? 0 : *std::max_element(dataset.labels.begin(), dataset.labels.end());
    if (largest >= kMaxClasses)
      throw base::UserError(
          fmt::format("{}: it has a label {}, allowed are 0..{}", dataset.source, largest, kMaxClasses - 1));
    dataset.classes = classes > 0 ? classes : largest + 1;
  }
  check(dataset);
  const bool alike =
      std::ranges::all_of(dataset.labels, [&](int label) { return label == dataset.labels[0]; });
  if (inferred && classes == 0 && !dataset.labels.empty() && (alike || dataset.classes < 2))
    throw base::UserError(fmt::format("{}: every label is {}, but at least two classes are needed",
                                      dataset.source, dataset.labels[0]));
  if (options.preprocessing.changes_anything() && !loader.prepares) try {
      dataset.pixels = prepared_images(dataset.pixels, options.preprocessing, options.memory_bytes);
    } catch (const base::UserError& error) {
      throw base::UserError(fmt::format("{}: {}", dataset.source, error.what()));
    }
  return dataset;
}

}  // namespace bitsmith::trainer
