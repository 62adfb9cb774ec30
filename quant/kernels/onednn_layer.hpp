#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

// Convolution (grouped and depthwise too) and matrix products by oneDNN, activations in N,H,W,C as they are,
// weights reordered once into the layout its best implementation asks for; bias, scales, ReLU and output
// conversion fused.

std::unique_ptr<PreparedKernel> make_onednn_f32(const LayerInfo& layer, LayerBits bits, Storage from,
                                                Storage to, int batch, const LayerNumbers& numbers);
std::unique_ptr<PreparedKernel> make_onednn_int8(const LayerInfo& layer, LayerBits bits, Storage from,
                                                 Storage to, int batch, const LayerNumbers& numbers);

/// Without VNNI, oneDNN adds pairs of products in 16 bits, which saturate, and halves the weights of signed
/// inputs (oneDNN, doc/advanced_topics/int8_computations.md): true where the result would not be exact.
bool onednn_int8_refuses(const LayerInfo& layer, LayerBits bits, Storage from);

}  // namespace bitsmith::quant
