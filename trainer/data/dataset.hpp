#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// Labelled images in memory, as the file had them: N, H, W, C, either bytes (0..255) or floats, the other is
/// empty.
struct Dataset {
  quant::Shape shape;  ///< of one image
  int classes = 0;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<int> labels;  ///< one per image, 0..classes-1
  std::string source;       ///< where it came from, for messages

  std::int64_t images() const { return static_cast<std::int64_t>(labels.size()); }
};

/// The images at `indices`, in that order.
Dataset select(const Dataset& dataset, std::span<const int> indices);

/// Of shape, classes, every pixel and every label, in order.
std::uint64_t hash(const Dataset& dataset);

/// Throws UserError (source, which image) unless there is an image, every label is in 0..classes-1 and every
/// float is finite.
void check(const Dataset& dataset);

/// From planes (N, C, H, W, as files have them) to channels innermost.
template <class T>
std::vector<T> channels_innermost(std::vector<T> planes, const quant::Shape& shape) {
  if (shape.channels == 1) return planes;
  std::vector<T> pixels(planes.size());
  const std::size_t channels = static_cast<std::size_t>(shape.channels);
  const std::size_t area = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
  for (std::size_t image = 0; image < planes.size(); image += channels * area)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t i = 0; i < area; ++i) pixels[image + i * channels + c] = planes[image + c * area + i];
  return pixels;
}

}  // namespace bitsmith::trainer
