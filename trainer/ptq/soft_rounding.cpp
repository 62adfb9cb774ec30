#include "trainer/ptq/soft_rounding.hpp"

#include <dnnl.h>

#include <algorithm>
#include <cmath>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::ptq {
namespace {

constexpr float kStretch = 1.2f, kShift = -0.1f;  // zeta - gamma and gamma of the rectified sigmoid

/// Row-major c[m][n] = a[m][k] b, or b transposed; on this thread alone.
void product(bool transpose_b, int m, int n, int k, const float* a, const float* b, float* c, int c_stride,
             int a_stride) {
  const int b_stride = transpose_b ? k : n;
  const auto status =
      dnnl_sgemm('N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, a_stride, b, b_stride, 0.0f, c, c_stride);
  base::require(status == dnnl_success, "oneDNN refused a matrix product");
}

}  // namespace

SoftRounding::SoftRounding(const RoundingTask& task, int batch) : task_(task), batch_(batch) {
  const auto depth = static_cast<std::size_t>(task.depth);
  const std::size_t n = static_cast<std::size_t>(task.outputs) * depth;
  for (auto* values :
       {&floor_, &v_, &gradient_, &first_moment_, &second_moment_, &h_, &h_slope_, &soft_, &soft_slope_})
    values->assign(n, 0.0f);
  outputs_.resize(static_cast<std::size_t>(task.outputs) * static_cast<std::size_t>(batch));
  for (std::size_t i = 0; i < n; ++i) {
    const float steps = task.weights[i] / task.scales[i / depth];
    floor_[i] = std::floor(steps);
    v_[i] = -std::log(kStretch / (steps - floor_[i] - kShift) - 1.0f);
  }
}

void SoftRounding::soften() {
  const auto low = static_cast<float>(task_.range.low), high = static_cast<float>(task_.range.high);
  const auto depth = static_cast<std::size_t>(task_.depth);
  for (std::size_t o = 0, i = 0; o < static_cast<std::size_t>(task_.outputs); ++o) {
    const float scale = task_.scales[o];
    for (const std::size_t end = i + depth; i < end; ++i) {
      const float sigmoid = 1.0f / (1.0f + std::exp(-v_[i]));
      const float stretched = kStretch * sigmoid + kShift;
      h_[i] = std::clamp(stretched, 0.0f, 1.0f);
      h_slope_[i] = stretched > 0.0f && stretched < 1.0f ? kStretch * sigmoid * (1.0f - sigmoid) : 0.0f;
      const float steps = floor_[i] + h_[i];
      soft_[i] = scale * std::clamp(steps, low, high);
      soft_slope_[i] = steps >= low && steps <= high ? scale * h_slope_[i] : 0.0f;
    }
  }
}

void SoftRounding::multiply(const float* weights, int first, int count) {
  product(true, task_.outputs, count, task_.depth, weights, task_.inputs + std::int64_t{first} * task_.depth,
          outputs_.data(), batch_, task_.depth);
}

double SoftRounding::loss(int first, int count, double lambda, double beta) {
  base::require(count >= 1 && count <= batch_ && first >= 0 && first + count <= task_.rows,
                "SoftRounding: rows out of range");
  soften();
  multiply(soft_.data(), first, count);
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
      const float error = std::clamp(z, low, high) - std::clamp(wanted[r], low, high);
      sum += error * error;
      y[r] = z > low && z < high ? share * error : 0.0f;
    }
    squares += static_cast<double>(sum);
  }
  product(false, task_.outputs, task_.depth, count, outputs_.data(),
          task_.inputs + std::int64_t{first} * task_.depth, gradient_.data(), task_.depth, batch_);

  double penalty = 0;
  const auto exponent = static_cast<float>(beta - 1), slope = static_cast<float>(2 * lambda * beta);
  for (std::size_t i = 0; i < gradient_.size(); ++i) {
    gradient_[i] *= soft_slope_[i];
    if (beta <= 0 || h_slope_[i] == 0.0f) continue;  // decided: neither penalty nor slope
    const float side = 2.0f * h_[i] - 1.0f, distance = std::abs(side);
    const float power = distance > 0.0f ? std::exp2(exponent * std::log2(distance)) : 0.0f;
    penalty += static_cast<double>(1.0f - power * distance);
    gradient_[i] -= std::copysign(slope * power * h_slope_[i], side);
  }
  return squares / count + lambda * penalty;
}

void SoftRounding::descend(double rate) {
  constexpr float b1 = 0.9f, b2 = 0.999f, epsilon = 1e-8f;
  ++steps_;
  const double t = static_cast<double>(steps_);
  const auto step = static_cast<float>(rate / (1 - std::pow(0.9, t)));
  const auto unbias = static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, t)));
  for (std::size_t i = 0; i < v_.size(); ++i) {
    const float g = gradient_[i];
    first_moment_[i] = b1 * first_moment_[i] + (1 - b1) * g;
    second_moment_[i] = b2 * second_moment_[i] + (1 - b2) * g * g;
    v_[i] -= step * first_moment_[i] / (std::sqrt(second_moment_[i]) * unbias + epsilon);
  }
}

void SoftRounding::round(std::span<float> weights) const {
  const auto depth = static_cast<std::size_t>(task_.depth);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float steps = floor_[i] + (v_[i] >= 0.0f ? 1.0f : 0.0f);
    weights[i] =
        std::clamp(steps, static_cast<float>(task_.range.low), static_cast<float>(task_.range.high)) *
        task_.scales[i / depth];
  }
}

void SoftRounding::losses(std::span<const float> weights, std::span<double> per_output) {
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
        const float error = std::clamp(y[r] + task_.bias[o], low, high) - std::clamp(wanted[r], low, high);
        sum += static_cast<double>(error * error);
      }
      per_output[static_cast<std::size_t>(o)] += sum / task_.rows;
    }
  }
}

}  // namespace bitsmith::trainer::ptq
