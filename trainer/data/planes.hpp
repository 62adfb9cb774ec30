#pragma once

#include <cstddef>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// One image from planes (C, H, W, as files have them) to channels innermost (H, W, C).
template <class T>
void to_channels_innermost(const T* planes, const quant::Shape& shape, T* pixels) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t area = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < area; ++i) pixels[i * channels + c] = planes[c * area + i];
}

/// The same of many images.
template <class T>
std::vector<T> channels_innermost(std::vector<T> planes, const quant::Shape& shape) {
  if (shape.channels == 1) return planes;
  std::vector<T> pixels(planes.size());
  const auto elements = static_cast<std::size_t>(shape.elements());
  for (std::size_t image = 0; image < planes.size(); image += elements)
    to_channels_innermost(planes.data() + image, shape, pixels.data() + image);
  return pixels;
}

}  // namespace bitsmith::trainer
