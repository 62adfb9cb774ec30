#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/quantizer.hpp"
#include "trainer/layer.hpp"

namespace bitsmith::trainer::ptq {

/// Some output channels of a layer that read the same inputs, and what they should give.
struct RoundingTask {
  int rows = 0, depth = 0, outputs = 0;
  const float* inputs = nullptr;   ///< rows x depth, as the quantized network has them
  const float* targets = nullptr;  ///< outputs x rows, of the fp32 network, before the activation
  const float* weights = nullptr;  ///< outputs x depth, fp32
  const float* scales = nullptr;   ///< per output
  const float* bias = nullptr;     ///< per output
  quant::IntegerRange range;
  Activation activation;
};

/// The variables of AdaRound (Nagel et al. 2020): weights scale * clamp(floor(w / scale) + h(v), range) with
/// the rectified sigmoid h(v) = clamp(1.2 sigmoid(v) - 0.1, 0, 1), which starts where it gives back the fp32
/// weights.
///
/// The loss of a stretch of rows: squared difference of activations to the targets', summed over outputs,
/// mean over rows; plus lambda * sum(1 - |2 h - 1|^beta), which draws h to 0 or 1 (beta 0: without it).
/// Nothing allocates after construction.
class SoftRounding {
 public:
  /// The task's arrays must outlive it. `batch`: the most rows of a stretch.
  SoftRounding(const RoundingTask& task, int batch);

  /// The loss of rows first .. first + count - 1 at the present v; its gradient is in gradient().
  double loss(int first, int count, double lambda, double beta);
  std::span<float> v() { return v_; }
  std::span<const float> gradient() const { return gradient_; }

  /// One step of Adam (0.9, 0.999) along gradient().
  void descend(double rate);

  /// The rounded weights: up where v >= 0.
  void round(std::span<float> weights) const;
  /// Per output, the squared difference of any weights over all rows, mean over rows.
  void losses(std::span<const float> weights, std::span<double> per_output);

 private:
  void soften();
  /// Outputs of `weights` over a stretch of rows, bias and activation not yet in.
  void multiply(const float* weights, int first, int count);

  const RoundingTask task_;
  const int batch_;
  std::vector<float> floor_;  ///< of w / scale
  std::vector<float> v_, gradient_, first_moment_, second_moment_;
  std::vector<float> h_, h_slope_;        ///< h(v), dh/dv
  std::vector<float> soft_, soft_slope_;  ///< the weights, and their derivative by v
  std::vector<float> outputs_;            ///< outputs x batch
  std::int64_t steps_ = 0;
};

}  // namespace bitsmith::trainer::ptq
