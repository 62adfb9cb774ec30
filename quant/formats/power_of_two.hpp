#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// pow2_2..pow2_8: 0 and +-2^k for the m = 2^(b-1)-1 consecutive exponents up to n1 = floor(log2(4 max|x| /
/// 3)), whose 2^n1 is the power of two nearest to the slice's largest magnitude. The scale is 2^n1 (n1 at
/// most 127). Each element gets the nearest level *in value*, halves to the larger magnitude: 2^k from 3/4
/// 2^k to below 3/2 2^k, and 0 below half the smallest level. These are the thresholds of Zhou et al. 2017
/// (INQ, arXiv:1702.03044, equations 2 to 4), the least squared error for given levels; Miyashita et al. 2016
/// (arXiv:1603.01025), whose levels they are, round log2|x| instead, which puts the threshold at sqrt(2) 2^k.
/// INQ gives half as many exponents to b bits (a bit of its own for 0); here one code in 2^b is spare (-0).
///
/// Code: sign << (b-1) | j, magnitude 2^(n1 - m + j), j = 0: zero. Levels below the smallest float decode to
/// 0.
void encode_power_of_two(const Values& x, Encoded& to);
void decode_power_of_two(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
