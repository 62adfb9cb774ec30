#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

/// Small data files for tests, written byte by byte from their formats' descriptions.
namespace bitsmith::tests {

inline std::string write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

inline std::string idx_bytes(const std::vector<std::uint32_t>& extents, const std::string& data,
                             char element_type = 0x08) {
  std::string bytes{'\0', '\0', element_type, static_cast<char>(extents.size())};
  for (std::uint32_t extent : extents)
    for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(extent >> shift & 0xff));
  return bytes + data;
}

/// Bytes 0, 1, 2, ... (mod 251), so that neighbours differ.
inline std::string counting_bytes(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i % 251));
  return bytes;
}

/// Labels 0, 1, .. classes-1, 0, 1, ...
inline std::string cycling_labels(std::size_t count, int classes) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i)
    bytes.push_back(static_cast<char>(i % static_cast<std::size_t>(classes)));
  return bytes;
}

/// An IDX pair of `count` grey images of 4 x 5 pixels.
struct IdxPair {
  IdxPair(const std::filesystem::path& folder, std::uint32_t count, int classes = 4,
          const std::string& name = "train")
      : images(
            write_bytes(folder / (name + "-images"), idx_bytes({count, 4, 5}, counting_bytes(count * 20)))),
        labels(write_bytes(folder / (name + "-labels"), idx_bytes({count}, cycling_labels(count, classes)))) {
  }
  std::vector<std::string> files() const { return {images, labels}; }
  std::string images, labels;
};

}  // namespace bitsmith::tests
