#pragma once

#include <cstdint>
#include <memory>

#include "quant/base/aligned_vector.hpp"
#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// A batch of activations: fp32, N, H, W, C (channels innermost), 64-byte aligned. The memory is reused: it
/// grows when a resize needs more, and never shrinks. Move-only: copies are made on purpose, with copy_from.
class Tensor {
 public:
  Tensor() = default;
  Tensor(int batch, quant::Shape shape) { resize(batch, shape); }

  /// Contents are undefined afterwards, unless the size stays as it was. Throws UserError when memory runs
  /// out.
  void resize(int batch, quant::Shape shape);
  void copy_from(const Tensor& other);
  void fill(float value);

  int batch() const { return batch_; }
  const quant::Shape& shape() const { return shape_; }
  std::int64_t elements() const { return batch_ * shape_.elements(); }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  float* sample(int n) { return data_.get() + n * shape_.elements(); }
  const float* sample(int n) const { return data_.get() + n * shape_.elements(); }

 private:
  std::unique_ptr<float[], base::FreeAligned> data_;
  std::int64_t capacity_ = 0;
  int batch_ = 0;
  quant::Shape shape_;
};

}  // namespace bitsmith::trainer
