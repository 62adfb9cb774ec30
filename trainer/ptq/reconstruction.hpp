#pragma once

#include <span>
#include <vector>

#include "trainer/layer.hpp"

namespace bitsmith::trainer::ptq {

/// Some output channels of a layer that read the same inputs, and what they should give.
struct ReconstructionTask {
  int rows = 0, depth = 0, outputs = 0;
  const float* inputs = nullptr;   ///< rows x depth, as the quantized network has them
  const float* targets = nullptr;  ///< outputs x rows, of the fp32 network, after the activation
  const float* bias = nullptr;     ///< per output
  Activation activation;
};

/// How far weights are from giving the targets: the squared difference of activations, summed over outputs,
/// mean over rows. Works on stretches of at most `batch` rows, on the calling thread, and allocates nothing
/// after construction.
class Reconstruction {
 public:
  /// The task's arrays must outlive it.
  Reconstruction(const ReconstructionTask& task, int batch);

  const ReconstructionTask& task() const { return task_; }
  int batch() const { return batch_; }

  /// Of `weights` (outputs x depth) over rows first .. first + count - 1; `gradient` by the weights.
  double loss(const float* weights, int first, int count, float* gradient);
  /// Per output, over all rows.
  void losses(std::span<const float> weights, std::span<double> per_output);

 private:
  /// What `weights` give for a stretch of rows, bias and activation not yet in.
  void multiply(const float* weights, int first, int count);

  const ReconstructionTask task_;
  const int batch_;
  std::vector<float> outputs_;  ///< outputs x batch
};

}  // namespace bitsmith::trainer::ptq
