#include "trainer/data/data_sources.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::trainer {
namespace {

int checked_batch(int batch, std::int64_t images) {
  if (batch < 1) throw base::UserError(fmt::format("batch: {}: at least 1 is allowed", batch));
  return static_cast<int>(std::min<std::int64_t>(batch, images));
}

// By several threads where images cost much, as those that are decoded do.
template <class Body>
void for_each_sample(const DataPart& part, int count, Body&& body) {
  if (part.is_slow()) return base::parallel_for(count, body);
  for (int n = 0; n < count; ++n) body(n);
}

}  // namespace

TrainingSource::TrainingSource(const DataPart& part, Augmentation augmentation, int batch, std::uint64_t seed)
    : part_(part), augmentation_(augmentation), batch_(checked_batch(batch, part.images())), seed_(seed) {
  const int smaller_side = std::min(part.shape().height, part.shape().width);
  if (augmentation.crop_pad < 0 || augmentation.crop_pad >= smaller_side)
    throw base::UserError(fmt::format("crop_pad: {}: allowed are 0..{} for images of {} x {}",
                                      augmentation.crop_pad, smaller_side - 1, part.shape().height,
                                      part.shape().width));
}

void TrainingSource::fill(std::int64_t step, Tensor& images, std::vector<int>& labels) {
  const std::int64_t epoch = step / batches_per_epoch(), first = step % batches_per_epoch() * batch_;
  if (epoch != epoch_) {
    order_ = base::Rng(base::derive_seed(seed_, "epoch", static_cast<std::uint64_t>(epoch)))
                 .permutation(static_cast<int>(part_.images()));
    epoch_ = epoch;
  }
  images.resize(batch_, part_.shape());
  labels.resize(static_cast<std::size_t>(batch_));
  const int reach = augmentation_.crop_pad;
  for_each_sample(part_, batch_, [&](int n) {
    const std::int64_t index = order_[static_cast<std::size_t>(first + n)];
    int dy = 0, dx = 0;
    bool mirror = false;
    if (reach > 0 || augmentation_.flip) {
      base::Rng rng(
          base::derive_seed(seed_, "augment", static_cast<std::uint64_t>(epoch * part_.images() + index)));
      const auto shift = [&] {
        return static_cast<int>(rng.below(2 * static_cast<std::uint64_t>(reach) + 1)) - reach;
      };
      if (reach > 0) {
        dy = shift();
        dx = shift();
      }
      mirror = augmentation_.flip && rng.below(2) == 1;
    }
    part_.write(index, dy, dx, mirror, images.sample(n));
    labels[static_cast<std::size_t>(n)] = part_.labels()[static_cast<std::size_t>(index)];
  });
}

EvaluationSource::EvaluationSource(const DataPart& part, int batch, std::int64_t first_images)
    : part_(part),
      batch_(checked_batch(batch, part.images())),
      images_(first_images > 0 ? std::min(first_images, part.images()) : part.images()) {
  if (first_images < 0)
    throw base::UserError(fmt::format("images: {}: at least 0 (all) is allowed", first_images));
}

void EvaluationSource::fill(std::int64_t step, Tensor& images, std::vector<int>& labels) {
  const std::int64_t first = step % batches_per_epoch() * batch_;
  const int count = static_cast<int>(std::min<std::int64_t>(batch_, images_ - first));
  images.resize(count, part_.shape());
  labels.resize(static_cast<std::size_t>(count));
  for_each_sample(part_, count, [&](int n) {
    part_.write(first + n, 0, 0, false, images.sample(n));
    labels[static_cast<std::size_t>(n)] = part_.labels()[static_cast<std::size_t>(first + n)];
  });
}

}  // namespace bitsmith::trainer
