#pragma once

#include <vector>

#include "quant/formats/encoding.hpp"

namespace bitsmith::quant {

/// What a stored number of Encoded::block_scales stands for: 2^(code - 127) for OCP MX (NaN for 255) and
/// micro-exponents, the E4M3 number of NVFP4, the integer of VS-Quant. InternalError for other formats.
float block_scale_value(Format format, int code);

/// What decoded codes are multiplied with, one for each innermost block, or slice where the format has no
/// blocks of its own: stored scales of blocks times the fp32 scale above them. (Micro-exponents: half of it
/// in a shifted pair. MXINT8's codes are 64ths, micro-exponents' are 2^(1 - m)ths.) Empty for codebooks.
std::vector<float> innermost_scales(const Encoded& encoded);

}  // namespace bitsmith::quant
