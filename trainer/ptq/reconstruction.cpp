#include "trainer/ptq/reconstruction.hpp"

#include <dnnl.h>

#include <algorithm>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::ptq {
namespace {

/// Row-major c[m][n] = a[m][k] b[k][n], or b[n][k] transposed.
void product(bool transpose_b, int m, int n, int k, const float* a, int a_stride, const float* b, float* c,
             int c_stride) {
  const auto status = dnnl_sgemm('N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, a_stride, b,
                                 transpose_b ? k : n, 0.0f, c, c_stride);
  base::require(status == dnnl_success, "oneDNN refused a matrix product");
}

}  // namespace

Reconstruction::Reconstruction(const ReconstructionTask& task, int batch)
    : task_(task),
      batch_(std::min(batch, task.rows)),
      outputs_(static_cast<std::size_t>(task.outputs) * static_cast<std::size_t>(batch_)) {}

void Reconstruction::multiply(const float* weights, int first, int count) {
  product(true, task_.outputs, count, task_.depth, weights, task_.depth,
          task_.inputs + std::int64_t{first} * task_.depth, outputs_.data(), batch_);
}

double Reconstruction::loss(const float* weights, int first, int count, float* gradient) {
  base::require(count >= 1 && count <= batch_ && first >= 0 && first + count <= task_.rows,
                "Reconstruction: rows out of range");
  multiply(weights, first, count);
  const float low = task_.activation.low, high = task_.activation.high;
  const float share = 2.0f / static_cast<float>(count);
  double squares = 0;
  for (int o = 0; o < task_.outputs; ++o) {
    float* y = outputs_.data() + std::int64_t{o} * batch_;
    const float* wanted = task_.targets + std::int64_t{o} * task_.rows + first;
    const float bias = task_.bias[o];
    float sum = 0;  // of a few hundred squares
    for (int r = 0; r < count; ++r) {
      const float z = y[r] + bias;
      const float error = std::clamp(z, low, high) - wanted[r];
      sum += error * error;
      y[r] = z > low && z < high ? share * error : 0.0f;
    }
    squares += static_cast<double>(sum);
  }
  product(false, task_.outputs, task_.depth, count, outputs_.data(), batch_,
          task_.inputs + std::int64_t{first} * task_.depth, gradient, task_.depth);
  return squares / count;
}

void Reconstruction::losses(std::span<const float> weights, std::span<double> per_output) {
  std::ranges::fill(per_output, 0.0);
  const float low = task_.activation.low, high = task_.activation.high;
  for (int first = 0; first < task_.rows; first += batch_) {
    const int count = std::min(batch_, task_.rows - first);
    multiply(weights.data(), first, count);
    for (int o = 0; o < task_.outputs; ++o) {
      const float* y = outputs_.data() + std::int64_t{o} * batch_;
      const float* wanted = task_.targets + std::int64_t{o} * task_.rows + first;
      double sum = 0;
      for (int r = 0; r < count; ++r) {
        const float error = std::clamp(y[r] + task_.bias[o], low, high) - wanted[r];
        sum += static_cast<double>(error * error);
      }
      per_output[static_cast<std::size_t>(o)] += sum / task_.rows;
    }
  }
}

}  // namespace bitsmith::trainer::ptq
