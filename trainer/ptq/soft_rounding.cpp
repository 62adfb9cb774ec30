#include "trainer/ptq/soft_rounding.hpp"

#include <algorithm>
#include <cmath>

namespace bitsmith::trainer::ptq {
namespace {

constexpr float kStretch = 1.2f, kShift = -0.1f;  // zeta - gamma and gamma of the rectified sigmoid

}  // namespace

SoftRounding::SoftRounding(const RoundingTask& task, int batch)
    : task_(task), reconstruction_(task.reconstruction, batch) {
  const auto depth = static_cast<std::size_t>(task.reconstruction.depth);
  const std::size_t n = static_cast<std::size_t>(task.reconstruction.outputs) * depth;
  for (auto* values :
       {&floor_, &v_, &gradient_, &first_moment_, &second_moment_, &h_, &h_slope_, &soft_, &soft_slope_})
    values->assign(n, 0.0f);
  for (std::size_t i = 0; i < n; ++i) {
    const float steps = task.weights[i] / task.scales[i / depth];
    floor_[i] = std::floor(steps);
    v_[i] = -std::log(kStretch / (steps - floor_[i] - kShift) - 1.0f);
  }
}

void SoftRounding::soften() {
  const auto low = static_cast<float>(task_.range.low), high = static_cast<float>(task_.range.high);
  const auto depth = static_cast<std::size_t>(task_.reconstruction.depth);
  for (std::size_t o = 0, i = 0; o < static_cast<std::size_t>(task_.reconstruction.outputs); ++o) {
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

double SoftRounding::penalize(double lambda, double beta) {
  double penalty = 0;
  const auto exponent = static_cast<float>(beta - 1), slope = static_cast<float>(2 * lambda * beta);
  for (std::size_t i = 0; i < gradient_.size(); ++i) {
    if (h_slope_[i] == 0.0f) continue;  // decided: neither penalty nor slope
    const float side = 2.0f * h_[i] - 1.0f, distance = std::abs(side);
    const float power = distance > 0.0f ? std::exp2(exponent * std::log2(distance)) : 0.0f;
    penalty += static_cast<double>(1.0f - power * distance);
    gradient_[i] -= std::copysign(slope * power * h_slope_[i], side);
  }
  return lambda * penalty;
}

double SoftRounding::loss(int first, int count, double lambda, double beta) {
  soften();
  const double loss = reconstruction_.loss(soft_.data(), first, count, gradient_.data());
  for (std::size_t i = 0; i < gradient_.size(); ++i) gradient_[i] *= soft_slope_[i];
  return beta > 0 ? loss + penalize(lambda, beta) : loss;
}

void SoftRounding::descend(double rate) {
  constexpr float b1 = 0.9f, b2 = 0.999f, epsilon = 1e-8f;
  ++steps_;
  const auto t = static_cast<double>(steps_);
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
  const auto depth = static_cast<std::size_t>(task_.reconstruction.depth);
  const auto low = static_cast<float>(task_.range.low), high = static_cast<float>(task_.range.high);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float steps = floor_[i] + (v_[i] >= 0.0f ? 1.0f : 0.0f);
    weights[i] = std::clamp(steps, low, high) * task_.scales[i / depth];
  }
}

}  // namespace bitsmith::trainer::ptq
