#pragma once

#include <vector>

#include "trainer/batch_source.hpp"

namespace bitsmith::trainer {

/// Batches, in order and without augmentation, of images that are already tensors in memory; the last may be
/// smaller.
class TensorSource : public BatchSource {
 public:
  /// Borrows `images`, which must outlive it. Throws UserError if labels do not match images or classes.
  TensorSource(const Tensor& images, std::vector<int> labels, int classes, int batch);

  quant::Shape shape() const override { return images_.shape(); }
  int classes() const override { return classes_; }
  std::int64_t images() const override { return images_.batch(); }
  std::int64_t batches_per_epoch() const override;
  void fill(std::int64_t step, Tensor& images, std::vector<int>& labels) override;

 private:
  const Tensor& images_;
  std::vector<int> labels_;
  int classes_, batch_;
};

}  // namespace bitsmith::trainer
