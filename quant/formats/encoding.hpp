#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/formats/encoding_options.hpp"
#include "quant/formats/format.hpp"

namespace bitsmith::quant {

/// A tensor in a format: what is stored, and all that decoding needs. The sizes of all arrays follow from
/// format, shape and options (storage.hpp).
///
/// Codes are integers' values for `int*`, `uint*`, `mxint8` (64ths), `vsq*` and micro-exponents (signed
/// mantissas); -1, 0, +1 for binary and ternary; the index of the centroid for `kmeans*` and `nf4`; the bit
/// pattern for minifloats, `mxfp*` and `nvfp4`; a sign above a magnitude's index for `pow2_*` and
/// `quadratic*`.
struct Encoded {
  Format format;
  std::vector<std::int64_t> shape;
  EncodingOptions options;
  std::vector<std::int32_t> codes;  ///< one for each element, in the tensor's order

  std::vector<float> scales;  ///< one for each slice; `nf4`: for each block, its largest magnitude
  std::vector<std::int64_t>
      scale_shape;  ///< of `scales` and `zero_points`, and of codebooks before their entries
  std::vector<std::int32_t> zero_points;  ///< affine integers: one for each slice
  std::vector<float> codebook;  ///< k-means: 2^bits ascending for each slice; ttq: Wp, Wn for each slice

  std::vector<std::int32_t> block_scales;       ///< a format's own scales: E8M0 bytes, E4M3 bytes, integers
  std::vector<std::int64_t> block_scale_shape;  ///< the tensor's, the number of blocks in place of their axis
  std::vector<std::int32_t> pair_shifts;  ///< micro-exponents: 0 or 1 for each two elements along the axis

  /// Share of elements whose rounded value lay beyond the format's ends and was moved there; 0 where there
  /// are no ends (codebooks, signs).
  double clipped = 0;
};

/// Throws UserError for an empty tensor, options that do not go with the format, and values that are not
/// finite (the first is named). Exceptions to the last, as their specifications say:
///   fp8_*: NaN becomes NaN; infinity the largest number, or infinity or NaN without `saturate`;
///   fp6_*, fp4_*: infinity becomes the largest number; NaN is refused;
///   mxfp*, mxint8: NaN or infinity makes its whole block NaN.
/// InternalError where the shape has another number of elements than `x`.
Encoded encode(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
               const EncodingOptions& options = {});
/// The same from float64: ranges, scales and quotients stay double until a scale is stored as float32. Finite
/// values beyond float32 are refused.
Encoded encode(std::span<const double> x, std::span<const std::int64_t> shape, Format format,
               const EncodingOptions& options = {});
/// The numbers that the codes stand for, in the tensor's order.
std::vector<float> decode(const Encoded& encoded);

/// Both again by plain loops only: the oracle of the fast ones that `encode` and `decode` use where they
/// serve (fast_quantize.hpp).
Encoded reference_encode(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
                         const EncodingOptions& options = {});
std::vector<float> reference_decode(const Encoded& encoded);

/// The true bits: codes, then scales, as README.md lays them out, without gaps between codes.
std::vector<std::uint8_t> pack(const Encoded& encoded);
/// `like` gives format, shape and options; InternalError where the bytes have another number than these say,
/// UserError where spare bits are not 0 or a byte of ternary codes is above 242. `clipped` is not stored.
Encoded unpack(std::span<const std::uint8_t> bytes, const Encoded& like);
/// The bytes that pack() gives for a tensor of this format, shape and options; `like` needs nothing else.
std::int64_t packed_size(const Encoded& like);
/// Of packed bytes, all scales included, for each element.
double effective_bits(const Encoded& encoded);

/// How far y is from x.
struct ErrorMeasures {
  double sqnr_db = 0;  ///< 10 log10(sum x^2 / sum (x - y)^2); infinity where nothing is lost
  double mse = 0, max_error = 0;
  double cosine = 0;  ///< of the angle between x and y; where one is all zeros: 1 if both are, else 0
};
/// InternalError for different sizes or none.
ErrorMeasures measure_error(std::span<const float> x, std::span<const float> y);

}  // namespace bitsmith::quant
