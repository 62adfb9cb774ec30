#pragma once

#include <algorithm>
#include <vector>

namespace bitsmith::trainer {

/// Consecutive samples of a batch.
struct Part {
  int first = 0, samples = 0;
};

/// `samples` samples in at most `parts` parts of nearly equal size, none empty.
inline std::vector<Part> cut_into_parts(int samples, int parts) {
  const int count = std::min(parts, samples);
  std::vector<Part> cut;
  for (int i = 0, first = 0; i < count; ++i) {
    const int size = samples / count + (i < samples % count ? 1 : 0);
    cut.push_back({first, size});
    first += size;
  }
  return cut;
}

/// The sizes that occur, each once.
inline std::vector<int> part_sizes(const std::vector<Part>& parts) {
  std::vector<int> sizes;
  for (const Part& part : parts)
    if (std::ranges::find(sizes, part.samples) == sizes.end()) sizes.push_back(part.samples);
  return sizes;
}

}  // namespace bitsmith::trainer
