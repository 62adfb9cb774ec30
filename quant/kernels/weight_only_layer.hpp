#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// fp32 activations times integer weights, in fp32: weights are converted tile by tile, and the scale is
/// applied to the sums. Made for scalar, avx2 and avx512, at 8 and 4 bits of weight storage; depthwise at 8
/// only.
template <base::Isa kIsa, int kBits>
std::unique_ptr<PreparedKernel> make_weight_only(const LayerInfo& layer, LayerBits bits, Storage from,
                                                 Storage to, int batch, const LayerNumbers& numbers);

}  // namespace bitsmith::quant
