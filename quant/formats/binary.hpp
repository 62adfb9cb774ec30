#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// Codes -1 and +1, y = scale * code.
///   binary             sign(x) with sign(0) = +1, scale = mean |x| of the slice (Rastegari et al. 2016,
///   XNOR-Net,
///                      arXiv:1603.05279, equation 6); of a slice of zeros 0, so that it comes back as zeros
///   binary_stochastic  +1 with probability clip((x + 1) / 2, 0, 1), scale 1 (Courbariaux et al. 2015,
///                      BinaryConnect, arXiv:1511.00363, equation 2). Each slice draws from a seed of its
///                      own.
void encode_binary(const Values& x, Encoded& to);
void decode_binary(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
