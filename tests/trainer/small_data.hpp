#pragma once

#include <vector>

#include "quant/base/random.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer::test {

/// Images of `classes` kinds that a network can learn to tell apart: each class is a pattern of its own plus
/// noise.
struct SmallData {
  Tensor images;
  std::vector<int> labels;
};

inline SmallData make_small_data(int count, quant::Shape shape, int classes, std::uint64_t seed) {
  Tensor patterns(classes, shape);
  base::Rng pattern_rng(1234);
  for (std::int64_t i = 0; i < patterns.elements(); ++i)
    patterns.data()[i] = static_cast<float>(pattern_rng.normal());
  SmallData data;
  data.images.resize(count, shape);
  base::Rng rng(seed);
  for (int n = 0; n < count; ++n) {
    const int label = static_cast<int>(rng.below(static_cast<std::uint64_t>(classes)));
    data.labels.push_back(label);
    for (std::int64_t i = 0; i < shape.elements(); ++i)
      data.images.sample(n)[i] = patterns.sample(label)[i] + 0.5f * static_cast<float>(rng.normal());
  }
  return data;
}

}  // namespace bitsmith::trainer::test
