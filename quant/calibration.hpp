#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/options.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::quant {

/// Sees the activations that enter one layer, and says where to clip them:
/// (((observe_part* end_batch) | observe)+ threshold*)*. Batches in the same order give the same thresholds,
/// bit for bit, however they are cut into parts.
class ActivationObserver {
 public:
  /// `name` is the layer's, for messages.
  explicit ActivationObserver(std::string name = "activations");

  /// Any number of elements. Throws UserError on NaN or infinity, having changed nothing.
  void observe(std::span<const float> batch);
  /// The same for a batch that comes in parts: the moving average of `ema` goes one step per batch.
  void observe_part(std::span<const float> part);
  void end_batch();

  /// The largest magnitude that is not clipped by the best quantizer at these bits, 0 if all is zero.
  /// Unsigned quantizers do not look at negative values. InternalError if nothing was observed.
  ///   minmax: the largest magnitude seen; ema: of each batch's minimum and maximum, m += 0.01 (m_batch - m);
  ///   mse and kl: thresholds.hpp, on a histogram of 2048 to 4096 bins.
  float threshold(int bits, bool is_signed, Calibration method) const;

  std::int64_t observed() const { return observed_; }
  float min() const { return min_; }  ///< at most 0: ranges always contain 0
  float max() const { return max_; }

 private:
  static constexpr int kBins = 4096;

  void make_room(float magnitude);
  void count(std::span<const float> batch);

  std::string name_;
  std::int64_t observed_ = 0;
  float min_ = 0, max_ = 0;
  float batch_min_ = 0, batch_max_ = 0;  ///< of the parts since the last end_batch
  bool first_batch_ = true, in_batch_ = false;
  double ema_min_ = 0, ema_max_ = 0;
  double width_ = 0;                  ///< of a bin; 0 while all is zero
  std::int64_t zeros_ = 0;            ///< seen before there was a width
  std::vector<std::int64_t> counts_;  ///< kBins of positive, then kBins of negative values' magnitudes
};

/// The scales of a layer's weights: one, or one for each of `channels` equal consecutive parts. An all-zero
/// channel has scale 1. Throws UserError (with `name`) on NaN or infinity. `method`: minmax, mse or kl; kl
/// looks at all channels together, each relative to its largest weight, as a channel alone has too few
/// weights for a histogram.
std::vector<float> weight_scales(std::span<const float> weights, int channels, int bits,
                                 Granularity granularity, Calibration method,
                                 std::string_view name = "weights");

std::string_view calibration_name(Calibration method);

}  // namespace bitsmith::quant
