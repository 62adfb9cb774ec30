#pragma once

#include <cstdint>
#include <vector>

#include "quant/base/random.hpp"
#include "trainer/loss.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// Beta(alpha, alpha), in [0, 1]; alpha > 0. Exact also where alpha is so small that nearly all of it is at
/// the ends.
double draw_symmetric_beta(base::Rng& rng, double alpha);

/// Mixup (Zhang et al. 2018): each image of a batch becomes share * image + (1 - share) * another one, with
/// one share per batch, drawn from Beta(alpha, alpha); the others are the batch in a random order. Draws from
/// (seed, "mixup", step) alone. Its memory is reused from batch to batch.
class Mixup {
 public:
  /// `alpha` 0: batches stay as they are. Throws UserError for negative ones.
  Mixup(double alpha, std::uint64_t seed);

  /// The images to train with: valid until the next call, and as long as `images` is.
  const Tensor& mix(const Tensor& images, const std::vector<int>& labels, std::int64_t step);
  /// Of the last batch mixed; refers to its labels.
  const MixedLabels& labels() const { return mixed_labels_; }

 private:
  void draw_order(base::Rng& rng, int count);

  double alpha_;
  std::uint64_t seed_;
  Tensor mixed_;
  std::vector<int> order_, other_labels_;
  MixedLabels mixed_labels_;
};

}  // namespace bitsmith::trainer
