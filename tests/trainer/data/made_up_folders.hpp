#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/trainer/data/made_up_files.hpp"
#include "tests/trainer/data/made_up_images.hpp"

namespace bitsmith::tests {

/// Writes a gray PNG of 4 x 5 pixels, all different from image to image.
inline std::string write_image(const std::filesystem::path& path, int seed) {
  std::filesystem::create_directories(path.parent_path());
  std::string rows;
  for (int i = 0; i < 20; ++i) rows.push_back(static_cast<char>((seed * 31 + i * 7) % 256));
  return write_bytes(path, png_bytes(4, 5, 8, kPngGray, rows));
}

/// A folder `images` per class of `names`: 000.png, 001.png, ...
inline std::string write_class_folders(const std::filesystem::path& folder,
                                       const std::vector<std::string>& names, int images, int seed = 0) {
  for (std::size_t label = 0; label < names.size(); ++label)
    for (int i = 0; i < images; ++i)
      write_image(folder / names[label] / (std::string(i < 10 ? "00" : "0") + std::to_string(i) + ".png"),
                  seed + static_cast<int>(label) * 100 + i);
  return folder.string();
}

}  // namespace bitsmith::tests
