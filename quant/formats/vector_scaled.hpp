#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// vsq2..vsq8 (Dai et al. 2021, VS-Quant, arXiv:2102.04503): integers of N bits under an integer scale of M =
/// options.scale_bits bits for each vector of 16 elements along the axis, and one fp32 scale for each slice
/// (tensor or channel):
///   s_v = max |x| of the vector / (2^(N-1) - 1), q = clamp(round(x / s_v), -(2^(N-1)-1), 2^(N-1)-1);
///   gamma = max s_v of the slice / (2^M - 1) (`scales`), s_q = round(s_v / gamma) (`block_scales`), halves
///   even; y = q s_q gamma.
/// q comes from the unrounded s_v, as in the paper. A vector below half of gamma has s_q = 0, and is lost.
/// Throws UserError where a vector would cross channels.
void encode_vector_scaled(const Values& x, Encoded& to);
void decode_vector_scaled(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
