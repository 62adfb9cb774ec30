#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/formats/encoding.hpp"

namespace bitsmith::quant {

// The fast forms of `encode` and `decode`, on all threads and by the CPU's vector instructions, bit for bit
// the same. They serve
//   int2..int8, uint1..uint8            under any scheme, range and calibration, slices that are contiguous
//   fp8_*, fp6_*, fp4_*                 scaled by range, halves to even, saturating, likewise
//   mxfp8_*, mxfp6_*, mxfp4             blocks of 32 along the last axis, halves to even
// where values are finite and no number comes near the ends of float32. `false` says that the plain reference
// has to do it, and leaves outputs undefined.

/// What fast_quantize writes; empty spans are not written.
struct FastOutputs {
  std::span<std::int32_t> codes = {};  ///< as Encoded has them
  std::span<std::uint8_t> bytes = {};  ///< a code each; of signed integers in two's complement
  std::span<float> values =
      {};  ///< decode(encode(x)); past the caches where the tensor is larger than they are
};

/// `to` comes from allocate() or allocate_scales(); its scales, zero points, block scales and `clipped` are
/// filled in, its codes only as outputs.codes.
bool fast_quantize(std::span<const float> x, Encoded& to, const FastOutputs& outputs);
bool fast_decode(const Encoded& from, std::span<float> y);

/// y = decode(encode(x)), fast where that is served. x and y do not overlap.
void quantize_dequantize(std::span<const float> x, std::span<const std::int64_t> shape, Format format,
                         const EncodingOptions& options, std::span<float> y);

}  // namespace bitsmith::quant
