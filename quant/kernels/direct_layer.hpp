#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// Convolution of u8 or s8 activations and s8 weights, straight from the image (or a copy of it with its
/// border): no rows are gathered and no sums stored. Needs AVX-512 VNNI.
std::unique_ptr<PreparedKernel> make_direct(const LayerInfo& layer, LayerBits bits, Storage from, Storage to,
                                            int batch, const LayerNumbers& numbers);

/// Groups, and sums that could overflow.
bool direct_refuses(const LayerInfo& layer, LayerBits bits, Storage from);

}  // namespace bitsmith::quant
