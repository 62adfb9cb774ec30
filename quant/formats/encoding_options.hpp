#pragma once

#include <cstdint>

#include "quant/formats/format.hpp"
#include "quant/formats/slicing.hpp"
#include "quant/options.hpp"

namespace bitsmith::quant {

enum class Scheme { symmetric, affine };
enum class Rounding { even, away };   ///< of halves
enum class ScaleRule { range, one };  ///< what is largest fills the format; or no scaling: a plain cast
enum class KmeansInit {
  linear,     ///< evenly between the least and the largest value (Deep Compression's best)
  density,    ///< at quantiles
  plus_plus,  ///< drawn with probability in proportion to the squared distance to what is drawn already
  binned,     ///< the least error of at most 2048 means of neighbouring values, by dynamic programming
  optimal,    ///< no iteration: the least possible error, by dynamic programming
};

/// How a tensor is encoded. The defaults are each format's own where it has one. What a format has no use for
/// is refused where it would change the meaning of the result (zero points, ranges, slices, blocks, scale
/// rules), and not looked at otherwise (rounding, seeds, iterations).
struct EncodingOptions {
  Scheme scheme = Scheme::symmetric;  ///< of `int*`; `uint*` are affine whatever this says unless ...
  bool symmetric_unsigned = false;    ///< ... asked: zero point in the middle
  bool full_range = false;            ///< symmetric `int*` down to -2^(b-1), scale max |x| / (2^b - 1) * 2
  Slicing slicing = {};               ///< of fp32 scales, codebooks and zero points
  int block = 0;                      ///< elements of a format's own blocks; 0: its row's
  int axis = -1;                      ///< along which these blocks run
  Calibration calibration = Calibration::minmax;
  double percentile = 99.99;
  int bins = 2048;
  Rounding rounding = Rounding::even;  ///< of x / scale; `nf4` and codebooks: the lower of two equally near
  ScaleRule scale_rule = ScaleRule::range;  ///< `one`: of integers and minifloats
  bool saturate =
      true;  ///< false, of 8-bit minifloats: what is too large becomes infinity (E5M2), NaN (E4M3)
  std::uint64_t seed = 1;  ///< binary_stochastic, k-means++
  int scale_bits = 4;      ///< VS-Quant: of a vector's integer scale, 1 to 16
  KmeansInit kmeans_init = KmeansInit::binned;
  int kmeans_iterations = 300;  ///< at most; stops when no value changes its cluster
};

/// Whether a format's fp32 scales are of slices; else it has but its own blocks', and one for all at most.
bool takes_slices(Format format);

/// Throws UserError, which names the format, for options that it does not go with.
void check_options(Format format, const EncodingOptions& options);

}  // namespace bitsmith::quant
