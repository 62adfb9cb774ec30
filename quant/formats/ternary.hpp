#pragma once

#include <span>

#include "quant/formats/encoding.hpp"
#include "quant/formats/values.hpp"

namespace bitsmith::quant {

/// Codes -1, 0, +1; parameters for each slice.
///   ternary  sign(x) where |x| > 0.7 mean |x|; y = scale * code, scale = mean |x| of those (Li et al. 2016,
///   TWN,
///            arXiv:1605.04711, equations 5 and 6)
///   ttq      sign(x) where |x| > 0.05 max |x|; y = Wp, 0, -Wn, two magnitudes in the codebook: the mean |x|
///   of the
///            positive and of the negative ones, 0 where there are none; training moves them on (Zhu et al.
///            2017, arXiv:1612.01064, equations 6 and 9)
///   bitnet   clamp(round(x / scale), -1, 1), scale = max(mean |x|, 1e-5) (Ma et al. 2024, BitNet b1.58,
///            arXiv:2402.17764, equations 1 to 3, its epsilon as the authors' code has it)
/// A slice of zeros has scale 1, but in bitnet.
void encode_ternary(const Values& x, Encoded& to);
void decode_ternary(const Encoded& from, std::span<float> y);

}  // namespace bitsmith::quant
