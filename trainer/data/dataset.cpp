#include "trainer/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"
#include "quant/base/parallel.hpp"

namespace bitsmith::trainer {
namespace {

/// Hashes a stream in blocks of a fixed number of elements, since a Hasher keeps what it was given.
template <class T>
class BlockHasher {
 public:
  explicit BlockHasher(base::Hasher& hasher) : hasher_(hasher) { block_.reserve(kBlock); }
  ~BlockHasher() {
    if (!block_.empty()) flush();
  }
  BlockHasher(const BlockHasher&) = delete;
  BlockHasher& operator=(const BlockHasher&) = delete;

  void add(std::span<const T> values) {
    while (!values.empty()) {
      const std::size_t count = std::min(values.size(), kBlock - block_.size());
      block_.insert(block_.end(), values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
      values = values.subspan(count);
      if (block_.size() == kBlock) flush();
    }
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;

  void flush() {
    base::Hasher block;
    block.add(std::as_bytes(std::span<const T>(block_)));
    hasher_.add(block.value());
    block_.clear();
  }

  base::Hasher& hasher_;
  std::vector<T> block_;
};

/// Images made by several threads at once, a block at a time, and shown in order.
template <class T, class Read>
void for_each_block(const Dataset& dataset, Read&& read,
                    const std::function<void(std::span<const T>)>& show) {
  constexpr std::size_t kBlock = 32;
  const auto elements = static_cast<std::size_t>(dataset.shape().elements());
  std::vector<T> block(kBlock * elements);
  for (std::size_t first = 0; first < dataset.rows.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, dataset.rows.size() - first);
    base::parallel_for(static_cast<int>(count), [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      std::copy_n(read(dataset.rows[first + at], thread_image_scratch()), elements,
                  block.begin() + static_cast<std::ptrdiff_t>(at * elements));
    });
    for (std::size_t i = 0; i < count; ++i) show({block.data() + i * elements, elements});
  }
}

}  // namespace

Dataset make_dataset(std::shared_ptr<const ImageStore> pixels, std::vector<int> labels, int classes,
                     std::string source) {
  base::require(pixels->images() == static_cast<std::int64_t>(labels.size()), "as many labels as images");
  Dataset dataset;
  dataset.pixels = std::move(pixels);
  dataset.rows.resize(labels.size());
  dataset.labels = std::move(labels);
  dataset.classes = classes;
  dataset.source = std::move(source);
  std::iota(dataset.rows.begin(), dataset.rows.end(), 0);
  return dataset;
}

Dataset select(const Dataset& dataset, std::span<const int> indices) {
  Dataset part = dataset;
  part.rows.clear();
  part.labels.clear();
  part.rows.reserve(indices.size());
  part.labels.reserve(indices.size());
  for (const int index : indices) {
    part.rows.push_back(dataset.rows[static_cast<std::size_t>(index)]);
    part.labels.push_back(dataset.labels[static_cast<std::size_t>(index)]);
  }
  return part;
}

void for_each_image(const Dataset& dataset,
                    const std::function<void(std::span<const std::uint8_t>)>& of_bytes,
                    const std::function<void(std::span<const float>)>& of_floats) {
  const auto elements = static_cast<std::size_t>(dataset.shape().elements());
  if (dataset.pixels->is_slow()) {
    if (dataset.pixels->has_floats())
      for_each_block<float>(
          dataset, [&](int row, ImageScratch& own) { return dataset.pixels->floats(row, own); }, of_floats);
    else
      for_each_block<std::uint8_t>(
          dataset, [&](int row, ImageScratch& own) { return dataset.pixels->bytes(row, own); }, of_bytes);
    return;
  }
  ImageScratch scratch;
  for (const int row : dataset.rows)
    if (dataset.pixels->has_floats())
      of_floats({dataset.pixels->floats(row, scratch), elements});
    else
      of_bytes({dataset.pixels->bytes(row, scratch), elements});
}

std::uint64_t hash(const Dataset& dataset) {
  base::Hasher hasher;
  hasher.add(dataset.shape().channels);
  hasher.add(dataset.shape().height);
  hasher.add(dataset.shape().width);
  hasher.add(dataset.classes);
  hasher.add(static_cast<std::int64_t>(dataset.images()));
  {
    BlockHasher<std::uint8_t> bytes(hasher);
    BlockHasher<float> floats(hasher);
    for_each_image(
        dataset, [&](std::span<const std::uint8_t> image) { bytes.add(image); },
        [&](std::span<const float> image) { floats.add(image); });
  }
  BlockHasher<int>(hasher).add(dataset.labels);
  return hasher.value();
}

void check(const Dataset& dataset) {
  if (dataset.labels.empty()) throw base::UserError(fmt::format("{}: holds no images", dataset.source));
  for (std::size_t i = 0; i < dataset.labels.size(); ++i)
    if (dataset.labels[i] < 0 || dataset.labels[i] >= dataset.classes)
      throw base::UserError(fmt::format("{}: image {} has label {}, allowed are 0..{}", dataset.source, i,
                                        dataset.labels[i], dataset.classes - 1));
  if (!dataset.pixels->has_floats()) return;
  std::int64_t index = 0;
  for_each_image(
      dataset, [](std::span<const std::uint8_t>) {},
      [&](std::span<const float> image) {
        const auto bad =
            std::find_if_not(image.begin(), image.end(), [](float x) { return std::isfinite(x); });
        if (bad != image.end())
          throw base::UserError(
              fmt::format("{}: image {} has a pixel that is {}", dataset.source, index, *bad));
        ++index;
      });
}

}  // namespace bitsmith::trainer
