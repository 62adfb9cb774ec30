#include "trainer/tensor_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {

TensorSource::TensorSource(const Tensor& images, std::vector<int> labels, int classes, int batch)
    : images_(images), labels_(std::move(labels)), classes_(classes), batch_(batch) {
  if (static_cast<std::size_t>(images.batch()) != labels_.size())
    throw base::UserError(fmt::format("{} images, but {} labels", images.batch(), labels_.size()));
  if (images.batch() < 1) throw base::UserError("a batch source needs at least one image");
  if (batch < 1) throw base::UserError(fmt::format("batch: got {}, allowed is 1 and more", batch));
  for (int label : labels_)
    if (label < 0 || label >= classes)
      throw base::UserError(fmt::format("label {}: there are classes 0 to {}", label, classes - 1));
}

std::int64_t TensorSource::batches_per_epoch() const { return (images() + batch_ - 1) / batch_; }

void TensorSource::fill(std::int64_t step, Tensor& images, std::vector<int>& labels) {
  const int first = static_cast<int>(step % batches_per_epoch()) * batch_;
  const int count = std::min(batch_, images_.batch() - first);
  images.resize(count, images_.shape());
  std::copy_n(images_.sample(first), images.elements(), images.data());
  labels.assign(labels_.begin() + first, labels_.begin() + first + count);
}

}  // namespace bitsmith::trainer
