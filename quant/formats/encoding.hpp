#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "quant/formats/format.hpp"
#include "quant/formats/slicing.hpp"
#include "quant/options.hpp"

namespace bitsmith::quant {

enum class Scheme { symmetric, affine };
enum class Rounding { even, away };  ///< of halves

/// How a tensor is encoded. The defaults are each format's own where it has one.
struct EncodingOptions {
  Scheme scheme = Scheme::symmetric;  ///< integers; unsigned ones are affine whatever this says unless ...
  bool symmetric_unsigned = false;    ///< ... asked: zero point in the middle
  bool full_range = false;            ///< symmetric signed integers down to -2^(b-1)
  Slicing slicing;                    ///< of fp32 scales, codebooks and zero points
  int block = 0;                      ///< elements of a format's own blocks; 0: its row's
  int axis = -1;                      ///< along which these blocks run
  Calibration calibration = Calibration::minmax;
  double percentile = 99.99;
  int bins = 2048;
  Rounding rounding = Rounding::even;
  std::uint64_t seed = 1;  ///< binary_stochastic, k-means++
  int scale_bits = 4;      ///< VS-Quant: of a vector's integer scale
};

/// A tensor in a format: what is stored, and all that decoding needs.
///
/// Codes are integers' values for `int*`, `uint*`, `mxint8`, `vsq*` and micro-exponents (signed mantissas);
/// -1, 0, +1 for binary and ternary; the index of the centroid for `kmeans*` and `nf4`; the bit pattern for
/// minifloats, `mxfp*`, `nvfp4`, `pow2_*` and `quadratic*`.
struct Encoded {
  Format format;
  std::vector<std::int64_t> shape;
  EncodingOptions options;
  std::vector<std::int32_t> codes;  ///< one for each element, in the tensor's order

  std::vector<float> scales;              ///< one for each slice: x ~ scale * (code - zero point)
  std::vector<std::int64_t> scale_shape;  ///< of `scales` and `zero_points`
  std::vector<std::int32_t> zero_points;  ///< affine integers: one for each slice
  std::vector<float> codebook;            ///< k-means: 2^bits for each slice; ttq: Wp, Wn for each slice

  std::vector<std::int32_t> block_scales;  ///< a format's own scales: E8M0 bytes, E4M3 bytes, integers
  std::vector<std::int64_t> block_scale_shape;
  std::vector<std::int32_t> pair_shifts;  ///< micro-exponents: 0 or 1 for each two elements of a block

  double clipped = 0;  ///< share of elements beyond the largest value that the parameters can tell
};

/// Throws UserError for an empty tensor, values that are not finite (first index named; minifloats and OCP
/// blocks take them as their specification says), a format or slicing that the options do not go with.
Encoded encode(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
               const EncodingOptions& options = {});
/// The same from float64: parameters and quotients in double where float32 would lose by it.
std::vector<float> decode(const Encoded& encoded);

/// The true bits: codes, then scales, as README.md lays them out, without gaps between codes.
std::vector<std::uint8_t> pack(const Encoded& encoded);
/// `like` gives format, shape and options; InternalError where the bytes have another number.
Encoded unpack(std::span<const std::uint8_t> bytes, const Encoded& like);
/// The bytes that pack() gives for a tensor of this format, shape and options; `like` needs nothing else.
std::int64_t packed_size(const Encoded& like);
/// Of packed bytes, all scales included, for each element.
double effective_bits(const Encoded& encoded);

/// Largest share of the signal lost ... in dB, and its parts, of y for x.
struct ErrorMeasures {
  double sqnr_db = 0;  ///< 10 log10(sum x^2 / sum (x - y)^2); infinity where nothing is lost
  double mse = 0, max_error = 0, cosine = 0;
};
ErrorMeasures measure_error(std::span<const float> x, std::span<const float> y);

}  // namespace bitsmith::quant
