#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "quant/quantizer.hpp"

namespace bitsmith::quant {

/// Counts of magnitudes: bin i holds i * width <= |x| < (i + 1) * width, the last one its upper end too.
struct HistogramView {
  std::span<const double> counts;
  double width = 0;
  float max = 0;  ///< the largest magnitude, exactly
};

/// The threshold in (0, max] with the smallest error(threshold): a grid of 100 thresholds, then a finer one
/// around the best; of equal errors the larger threshold. 0 for max = 0.
float best_threshold(float max, const std::function<double(float)>& error);

/// argmin of the mean (Q(x) - x)^2, every bin at its centre. Magnitudes that all lie in one bin keep their
/// maximum.
float mse_threshold(const HistogramView& histogram, IntegerRange range);

/// TensorRT's rule in the form of NVIDIA's calibrator: the i bins that, clipped mass put into the last of
/// them, lie nearest (Kullback-Leibler) to themselves spread over the quantizer's levels. 2^(b-1) levels
/// signed, 2^b unsigned; candidates from 1/16 of the bins on, ties to the larger. The spike at zero is left
/// out.
float kl_threshold(const HistogramView& histogram, IntegerRange range);

}  // namespace bitsmith::quant
