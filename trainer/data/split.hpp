#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitsmith::trainer {

/// Ascending indices into the training files; no index is in both.
struct Split {
  std::vector<int> train, validation;
};

/// `count` of `candidates` (indices into `labels`), ascending, with every class in its share of the
/// candidates (largest remainders first, then the lower class). Which ones is a function of the seed and the
/// class alone.
std::vector<int> class_balanced_sample(std::span<const int> labels, std::span<const int> candidates,
                                       int classes, int count, std::uint64_t seed);

/// Takes the validation images first, so that they do not depend on `train_images` (0: all that are left).
/// Throws UserError when there are too few images, or validation would be empty.
Split split_by_class(std::span<const int> labels, int classes, int train_images, int validation_images,
                     std::uint64_t seed);

}  // namespace bitsmith::trainer
