#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

// Our own integer kernels: rows of 8-bit activations times packed 8-, 4- or 2-bit weights, one form per
// instruction set. Weights of fewer than 8 bits are decoded to a tile of bytes that many rows use, or, for
// few rows, on the way into the dot product.

/// Made for scalar, avx2 and avx512, at 8, 4 and 2 bits of weight storage.
template <base::Isa kIsa, int kBits>
std::unique_ptr<PreparedKernel> make_packed(const LayerInfo& layer, LayerBits bits, Storage from, Storage to,
                                            int batch, const LayerNumbers& numbers);

/// Products of more than 65,536 terms, which could overflow 32 bits, and what depthwise_layer serves.
bool packed_refuses(const LayerInfo& layer, LayerBits bits, Storage from);

}  // namespace bitsmith::quant
