#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainer/data/image_store.hpp"

namespace bitsmith::trainer {

/// Labelled images: some of a store's, in some order, wherever their pixels are.
struct Dataset {
  std::shared_ptr<const ImageStore> pixels;
  std::vector<int> rows;    ///< which of the store's images, in order
  std::vector<int> labels;  ///< one per row, 0..classes-1
  int classes = 0;
  std::string source;                         ///< where it came from, for messages
  std::vector<std::string> class_names = {};  ///< by label; empty where the format has none
  bool has_labels = true;                     ///< false: `labels` are zeros that mean nothing
  std::vector<std::string> file_names =
      {};  ///< by row of the store, where every image has a file and they were asked for

  std::int64_t images() const { return static_cast<std::int64_t>(labels.size()); }
  const quant::Shape& shape() const { return pixels->shape(); }
};

/// All images of a store.
Dataset make_dataset(std::shared_ptr<const ImageStore> pixels, std::vector<int> labels, int classes,
                     std::string source);

/// The images at `indices`, in that order; pixels are not copied.
Dataset select(const Dataset& dataset, std::span<const int> indices);

/// Shows the pixels (H, W, C) of every image, in order.
void for_each_image(const Dataset& dataset,
                    const std::function<void(std::span<const std::uint8_t>)>& of_bytes,
                    const std::function<void(std::span<const float>)>& of_floats);

/// Of shape, classes, every pixel and every label, in order; the same wherever the pixels are.
std::uint64_t hash(const Dataset& dataset);

/// Throws UserError (source, which image) unless there is an image, every label is in 0..classes-1 and every
/// float is finite.
void check(const Dataset& dataset);

}  // namespace bitsmith::trainer
