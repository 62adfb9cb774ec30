#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/quantizer.hpp"
#include "trainer/ptq/reconstruction.hpp"

namespace bitsmith::trainer::ptq {

/// Weights that lie between two levels each, and where these levels are.
struct RoundingTask {
  ReconstructionTask reconstruction;
  const float* weights = nullptr;  ///< outputs x depth, fp32
  const float* scales = nullptr;   ///< per output
  quant::IntegerRange range;
};

/// The variables of AdaRound (Nagel et al. 2020): weights scale * clamp(floor(w / scale) + h(v), range) with
/// the rectified sigmoid h(v) = clamp(1.2 sigmoid(v) - 0.1, 0, 1), which starts where it gives back the fp32
/// weights. Nothing allocates after construction.
class SoftRounding {
 public:
  /// The task's arrays must outlive it. `batch`: the most rows of a stretch.
  SoftRounding(const RoundingTask& task, int batch);

  /// The reconstruction's loss over rows first .. first + count - 1 at the present v, plus lambda * sum(1 -
  /// |2 h - 1|^beta), which draws every h to 0 or 1 (beta 0: without it). Its gradient is in gradient().
  double loss(int first, int count, double lambda, double beta);
  std::span<float> v() { return v_; }
  std::span<const float> gradient() const { return gradient_; }

  /// One step of Adam (0.9, 0.999) along gradient().
  void descend(double rate);

  /// The rounded weights: up where v >= 0.
  void round(std::span<float> weights) const;

  Reconstruction& reconstruction() { return reconstruction_; }

 private:
  void soften();
  double penalize(double lambda, double beta);

  const RoundingTask task_;
  Reconstruction reconstruction_;
  std::vector<float> floor_;  ///< of w / scale
  std::vector<float> v_, gradient_, first_moment_, second_moment_;
  std::vector<float> h_, h_slope_;        ///< h(v), dh/dv
  std::vector<float> soft_, soft_slope_;  ///< the weights, and their derivative by v
  std::int64_t steps_ = 0;
};

}  // namespace bitsmith::trainer::ptq
