#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "quant/affine.hpp"
#include "quant/calibrated_range.hpp"
#include "quant/calibration_methods.hpp"

namespace bitsmith::quant {

struct ObserverOptions {
  int bins = 2048;  ///< of the range that the first batch spans; the histogram has up to twice that
  std::int64_t freeze_after = 0;  ///< batches that count, later ones are not looked at; 0: all
};

/// Sees the activations that enter one layer, and says where to clip them:
/// (((observe_part* end_batch) | observe)+ threshold*)*. Batches in the same order give the same thresholds,
/// bit for bit, however they are cut into parts.
class ActivationObserver {
 public:
  /// `name` is the layer's, for messages.
  explicit ActivationObserver(std::string name = "activations", ObserverOptions options = {});

  /// Any number of elements. Throws UserError on NaN or infinity, having changed nothing.
  void observe(std::span<const float> batch);
  /// The same for a batch that comes in parts: the moving average of `ema` goes one step per batch.
  void observe_part(std::span<const float> part);
  void end_batch();
  bool frozen() const { return options_.freeze_after > 0 && batches_ >= options_.freeze_after; }

  /// The largest magnitude that is not clipped by the best quantizer at these bits, 0 if all is zero.
  /// Unsigned quantizers do not look at negative values. InternalError if nothing was observed.
  ///   minmax: the largest magnitude seen; ema: of each batch's minimum and maximum, m += 0.01 (m_batch - m);
  ///   the others: thresholds.hpp, on a histogram that is at first options.bins wide and grows by merging
  ///   pairs of bins; method.bins is not looked at. kl_haq's number of bins is never above the histogram's.
  float threshold(int bits, bool is_signed, const CalibrationMethod& method) const;

  /// The same with a zero point, {low, high} around zero: minmax, ema, percentile (each end loses 100 -
  /// percentile) and mse (both ends shrink together). Throws UserError for the methods that know none.
  ValueRange affine_range(Integers integers, const CalibrationMethod& method) const;

  std::int64_t observed() const { return observed_; }
  float min() const { return min_; }  ///< at most 0: ranges always contain 0
  float max() const { return max_; }

 private:
  void make_room(float magnitude);
  void count(std::span<const float> batch);
  int capacity() const { return 2 * options_.bins; }  ///< bins of either sign
  std::vector<double> counts_up_to(float largest, bool is_signed) const;
  ValueRange percentile_range(double percentile) const;
  ValueRange mse_range(IntegerRange integers, bool fine) const;

  std::string name_;
  ObserverOptions options_;
  std::int64_t observed_ = 0, batches_ = 0;
  float min_ = 0, max_ = 0;
  float batch_min_ = 0, batch_max_ = 0;  ///< of the parts since the last end_batch
  bool in_batch_ = false;
  double ema_min_ = 0, ema_max_ = 0;
  double width_ = 0;                  ///< of a bin; 0 while all is zero
  std::int64_t zeros_ = 0;            ///< seen before there was a width
  std::vector<std::int64_t> counts_;  ///< bins of positive, then as many of negative values' magnitudes
};

}  // namespace bitsmith::quant
