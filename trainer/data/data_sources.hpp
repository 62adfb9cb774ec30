#pragma once

#include <cstdint>
#include <vector>

#include "trainer/batch_source.hpp"
#include "trainer/data/data_part.hpp"

namespace bitsmith::trainer {

struct Augmentation {
  int crop_pad = 0;   ///< each image moves by up to this many pixels, up or down and left or right
  bool flip = false;  ///< half of the images are mirrored
};

/// A part in a new random order in each epoch, each image augmented anew. Batches are all full: an epoch
/// leaves out the images that do not fill one (others in each epoch). The order is drawn from (seed, "epoch",
/// epoch), an image's augmentation from (seed, "augment", epoch * images + index): any step can be made
/// without those before it.
class TrainingSource : public BatchSource {
 public:
  /// Borrows `part`, which must outlive it. A `batch` larger than the part is the whole part. Throws
  /// UserError for a batch below 1, or a crop_pad below 0 or not less than the image.
  TrainingSource(const DataPart& part, Augmentation augmentation, int batch, std::uint64_t seed);

  quant::Shape shape() const override { return part_.shape(); }
  int classes() const override { return part_.classes(); }
  std::int64_t images() const override { return part_.images(); }
  std::int64_t batches_per_epoch() const override { return part_.images() / batch_; }
  std::uint64_t seed() const override { return seed_; }
  void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) override;

 private:
  const DataPart& part_;
  Augmentation augmentation_;
  int batch_;
  std::uint64_t seed_;
  std::int64_t epoch_ = -1;  ///< of order_
  std::vector<int> order_;
};

/// A part, or its first images, in order and as they are. The last batch may be smaller; steps wrap around.
class EvaluationSource : public BatchSource {
 public:
  /// Borrows `part`, which must outlive it. Takes its first `first_images` (0, or more than there are: all).
  /// Parts are in the order of the file, so the first ones are a sample that does not depend on anything
  /// else. Throws UserError for a batch below 1 or negative first_images.
  EvaluationSource(const DataPart& part, int batch, std::int64_t first_images = 0);

  quant::Shape shape() const override { return part_.shape(); }
  int classes() const override { return part_.classes(); }
  std::int64_t images() const override { return images_; }
  std::int64_t batches_per_epoch() const override { return (images_ + batch_ - 1) / batch_; }
  void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) override;

 private:
  const DataPart& part_;
  int batch_;
  std::int64_t images_;
};

}  // namespace bitsmith::trainer
