#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// Depthwise convolution of u8 or s8 activations and s8 weights: one filter per channel, so nothing to share
/// between output channels, and the work is in bringing taps side by side. An output row's input columns are
/// interleaved once, four rows of each, and every column then serves all outputs that it is under. Made for
/// scalar, avx2 and avx512.
template <base::Isa kIsa>
std::unique_ptr<PreparedKernel> make_depthwise(const LayerInfo& layer, LayerBits bits, Storage from,
                                               Storage to, int batch, const LayerNumbers& numbers);

/// Sums that could overflow, and several output channels per input channel.
bool depthwise_refuses(const LayerInfo& layer, LayerBits bits, Storage from);

}  // namespace bitsmith::quant
