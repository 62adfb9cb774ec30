#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "quant/quantizer.hpp"

namespace bitsmith::quant {

// Rules for the largest magnitude that is not clipped, each on counts of magnitudes. All give 0 for max = 0,
// at most max, and max itself where a histogram says nothing: all that is not zero in one bin.

/// Counts of magnitudes: bin i holds i * width <= |x| < (i + 1) * width, the last one its upper end too.
struct HistogramView {
  std::span<const double> counts;
  double width = 0;
  float max = 0;  ///< the largest magnitude, exactly
};

/// Whether any but the bin of the maximum and the bin of zero hold something.
bool tells_anything(const HistogramView& histogram);

/// The threshold in (0, max] with the smallest error(threshold) among max / 100, 2 max / 100, ... max;
/// `fine`: then among the eighths between the best and its neighbours. Of equal errors the larger threshold.
/// 0 for max = 0.
float best_threshold(float max, bool fine, const std::function<double(float)>& error);

/// argmin of the mean (Q(x) - x)^2, every bin at its centre.
float mse_threshold(const HistogramView& histogram, IntegerRange range, bool fine);

/// The lower edge of the first bin up to which at least `percentile` percent of the values lie, as NVIDIA's
/// calibrator has it; where that is zero, the bin's upper edge.
float percentile_threshold(const HistogramView& histogram, double percentile);

/// TensorRT's rule in the form of NVIDIA's calibrator: the i bins that, clipped mass put into the last of
/// them, lie nearest (Kullback-Leibler) to themselves spread over the quantizer's levels. 2^(b-1) levels
/// signed, 2^b unsigned; candidates from bin 128 on (of no more bins than that, from 1/16 of
/// them); ties to the larger. The spike at zero is left out: the first bin counts as
/// much as the second.
float kl_threshold(const HistogramView& histogram, IntegerRange range);

/// HAQ's rule: of the thresholds (i + 1/2) * width, the first at which the distribution function lies nearest
/// (sum of (p - q) log p/q) to itself interpolated through 2^(bits-1) equidistant points of its first i bins.
/// HAQ has it below 5 bits only, and on sqrt(n) bins: see haq_bins.
float kl_haq_threshold(const HistogramView& histogram, int bits);
constexpr int kHaqMostBits = 4;
/// numpy's 'sqrt' rule for `count` magnitudes from `least` to `most`, over bins that begin at zero.
int haq_bins(std::int64_t count, float least, float most);
/// The histogram's counts in `bins` bins of equal width up to its max, every old bin's count spread evenly.
std::vector<double> rebinned(const HistogramView& histogram, int bins);

/// OCTAV's iteration s' = sum of |x| > s / (k * number of |x| <= s + number of |x| > s), from the mean of
/// what is not zero until it rests, 20 steps at most; k = 4^-bits / 3 signed, / 12 unsigned. Where nothing is
/// above s it stops, as the next iterate would be 0.
float octav_threshold(const HistogramView& histogram, int bits, bool is_signed);
float octav_threshold(std::span<const float> magnitudes, int bits, bool is_signed);

}  // namespace bitsmith::quant
