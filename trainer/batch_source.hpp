#pragma once

#include <cstdint>
#include <vector>

#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Where batches come from: a data set under one view (shuffled and augmented for training, in order for
/// evaluation). What `fill(step)` gives is a function of the source's seed and `step` alone, so that a
/// resumed run sees what an uninterrupted one would have. One caller at a time; parallel users take a source
/// each.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  virtual quant::Shape shape() const = 0;  ///< of one image, as the network sees it
  virtual int classes() const = 0;
  virtual std::int64_t images() const = 0;  ///< in one pass over the data
  /// Batches in one pass: step / batches_per_epoch() is the epoch. At least 1.
  virtual std::int64_t batches_per_epoch() const = 0;
  /// Of its randomness: what else is drawn for a batch (mixup) derives from it.
  virtual std::uint64_t seed() const { return 0; }
  /// Resizes and fills both. Labels are 0..classes()-1. The last batch of an evaluation pass may be smaller.
  virtual void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) = 0;
};

}  // namespace bitsmith::trainer
