#include "trainer/tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {

void Tensor::resize(int batch, quant::Shape shape) {
  base::require(batch >= 0 && shape.elements() >= 0, "Tensor::resize: negative size");
  const std::int64_t wanted = batch * shape.elements();
  if (wanted > capacity_) {
    const std::size_t bytes = (static_cast<std::size_t>(wanted) * sizeof(float) + 63) / 64 * 64;
    data_.reset();
    capacity_ = 0;
    try {
      data_ = {static_cast<float*>(base::allocate_aligned(bytes)), base::FreeAligned{bytes}};
    } catch (const std::bad_alloc&) {
      throw base::UserError(
          fmt::format("not enough memory for a tensor of {} x {}x{}x{} ({} MiB): use a smaller batch", batch,
                      shape.channels, shape.height, shape.width, bytes >> 20));
    }
    capacity_ = wanted;
  }
  batch_ = batch;
  shape_ = shape;
}

void Tensor::copy_from(const Tensor& other) {
  resize(other.batch_, other.shape_);
  std::copy_n(other.data(), other.elements(), data());
}

void Tensor::fill(float value) { std::fill_n(data(), elements(), value); }

}  // namespace bitsmith::trainer
