#pragma once

#include <vector>

#include "quant/options.hpp"
#include "quant/policy.hpp"
#include "trainer/batch_source.hpp"
#include "trainer/network.hpp"

namespace bitsmith::trainer {

/// The range of every layer's input, for every number of bits: measured once on an fp32 network, then looked
/// up.
class CalibrationTable {
 public:
  static constexpr int kMaxBits = 8;

  explicit CalibrationTable(int layers, int tensors = 0)
      : scales_(static_cast<std::size_t>(layers)),
        signed_(scales_.size()),
        tensor_scales_(static_cast<std::size_t>(tensors)) {}

  int layers() const { return static_cast<int>(scales_.size()); }
  /// The value of one step of the layer's input at `bits` (1..8); > 0.
  float scale(int layer, int bits) const;
  bool is_signed(int layer) const { return signed_[static_cast<std::size_t>(layer)]; }
  void set(int layer, int bits, float scale);
  /// Of quantize node number `tensor`, at its 8 bits; > 0.
  float tensor_scale(int tensor) const { return tensor_scales_.at(static_cast<std::size_t>(tensor)); }
  void set_tensor(int tensor, float scale) { tensor_scales_.at(static_cast<std::size_t>(tensor)) = scale; }
  void set_signed(int layer, bool is_signed) { signed_[static_cast<std::size_t>(layer)] = is_signed; }

 private:
  struct Row {
    float scale[kMaxBits + 1] = {};
  };
  std::vector<Row> scales_;
  std::vector<bool> signed_;
  std::vector<float> tensor_scales_;
};

/// Runs the network in fp32 (its quantization is set aside and restored) over the first
/// options.calibration_images images of the source, and finds each layer's input range by
/// options.activation_calibration. Throws UserError if the source is empty or an activation is not finite.
CalibrationTable calibrate(Network& network, BatchSource& source, const quant::QuantizationOptions& options);

/// Makes the network compute under `policy`: every layer's bits and methods (choose_methods), activation
/// scales from the table, weight clip ratios from the present weights by options.weight_calibration; quantize
/// nodes at their scales, unless all is fp32. A layer that reads such a node's integers at 8 bits has its
/// scale. Throws UserError if the policy does not fit the network.
void apply_policy(Network& network, const quant::Policy& policy, const CalibrationTable& table,
                  const quant::QuantizationOptions& options);

/// Back to fp32.
void remove_quantization(Network& network);

/// Replaces the running statistics by the mean of the batch statistics over at most `images` images of the
/// source (0: all), under the network's present quantization. Batches that would give a batch norm a single
/// value are skipped.
void recalibrate_batch_norm(Network& network, BatchSource& source, std::int64_t images = 0);

}  // namespace bitsmith::trainer
