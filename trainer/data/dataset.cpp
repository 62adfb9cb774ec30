#include "trainer/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::trainer {
namespace {

template <class T>
void append_images(const std::vector<T>& from, std::span<const int> indices, std::int64_t elements,
                   std::vector<T>& to) {
  if (from.empty()) return;
  to.reserve(indices.size() * static_cast<std::size_t>(elements));
  for (int index : indices) {
    const auto begin = from.begin() + index * elements;
    to.insert(to.end(), begin, begin + elements);
  }
}

// In blocks, since a Hasher keeps what it was given.
template <class T>
void add_in_blocks(base::Hasher& hasher, std::span<const T> values) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    base::Hasher block;
    block.add(std::as_bytes(values.subspan(begin, std::min(kBlock, values.size() - begin))));
    hasher.add(block.value());
  }
}

}  // namespace

Dataset select(const Dataset& dataset, std::span<const int> indices) {
  Dataset part{dataset.shape, dataset.classes, {}, {}, {}, dataset.source};
  append_images(dataset.bytes, indices, dataset.shape.elements(), part.bytes);
  append_images(dataset.floats, indices, dataset.shape.elements(), part.floats);
  append_images(dataset.labels, indices, 1, part.labels);
  return part;
}

std::uint64_t hash(const Dataset& dataset) {
  base::Hasher hasher;
  hasher.add(dataset.shape.channels);
  hasher.add(dataset.shape.height);
  hasher.add(dataset.shape.width);
  hasher.add(dataset.classes);
  hasher.add(static_cast<std::int64_t>(dataset.images()));
  add_in_blocks(hasher, std::span<const std::uint8_t>(dataset.bytes));
  add_in_blocks(hasher, std::span<const float>(dataset.floats));
  add_in_blocks(hasher, std::span<const int>(dataset.labels));
  return hasher.value();
}

void check(const Dataset& dataset) {
  if (dataset.labels.empty()) throw base::UserError(fmt::format("{}: holds no images", dataset.source));
  for (std::size_t i = 0; i < dataset.labels.size(); ++i)
    if (dataset.labels[i] < 0 || dataset.labels[i] >= dataset.classes)
      throw base::UserError(fmt::format("{}: image {} has label {}, allowed are 0..{}", dataset.source, i,
                                        dataset.labels[i], dataset.classes - 1));
  const auto bad = std::find_if_not(dataset.floats.begin(), dataset.floats.end(),
                                    [](float x) { return std::isfinite(x); });
  if (bad != dataset.floats.end())
    throw base::UserError(fmt::format("{}: image {} has a pixel that is {}", dataset.source,
                                      (bad - dataset.floats.begin()) / dataset.shape.elements(), *bad));
}

}  // namespace bitsmith::trainer
