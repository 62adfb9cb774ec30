#pragma once

#include <array>
#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// The 16 numbers of NF4, ascending (Dettmers et al. 2023, QLoRA, arXiv:2305.14314, appendix E;
/// bitsandbytes).
std::span<const float, 16> normal_float4();

/// nf4: blocks of 64 elements along the axis, the last one of each row perhaps shorter (bitsandbytes cuts the
/// flattened tensor, which is the same where rows are multiples of 64). Scale: the block's largest magnitude,
/// fp32, 0 for a block of zeros. Code: the index of the number nearest to x / scale, halfway between two the
/// lower; 7, the number 0, in a block of zeros.
void encode_normal_float(const Values& x, Encoded& to);
void decode_normal_float(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
