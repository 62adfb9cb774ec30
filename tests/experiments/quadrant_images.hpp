#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "quant/base/hdf5.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::tests {

/// Four classes of 8x8 images: a bright quadrant each, under noise.
inline void write_images(const std::filesystem::path& file, int count, std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<std::uint8_t> images, labels;
  for (int n = 0; n < count; ++n) {
    const int label = n % 4;
    labels.push_back(static_cast<std::uint8_t>(label));
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        const bool bright = (y / 4) * 2 + x / 4 == label;
        images.push_back(static_cast<std::uint8_t>((bright ? 90 : 60) + rng.below(100)));
      }
  }
  const auto n = static_cast<std::uint64_t>(count);
  auto out = base::hdf5::File::create(file);
  out.write("images", images, {n, 1, 8, 8});
  out.write("labels", labels);
  out.close();
}

}  // namespace bitsmith::tests
