#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// nvfp4 (NVIDIA Blackwell; Model Optimizer, qtensor/nvfp4_tensor.py): fp4_e2m1 elements under two levels of
/// scales.
///   S = max |x| / (6 * 448), fp32, one for the tensor (`scales`);
///   s = E4M3(max |x| of the block / (6 S)), saturating, a byte for each 16 elements along the axis;
///   code = E2M1(x / (S s)), y = number(code) * S * s.
/// Where S or s is 0 or underflows to it (blocks below about 2^-10 of the largest) codes and decoded numbers
/// are 0.
void encode_nvfp4(const Values& x, Encoded& to);
void decode_nvfp4(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
