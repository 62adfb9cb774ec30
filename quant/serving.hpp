#pragma once

#include "quant/policy.hpp"

namespace bitsmith::quant {

// How kernels serve number formats. A format whose values are small integers times one scale for each channel
// runs as these integers on the integer kernels, exactly; any other is decoded to fp32 when the network is
// made ready, and multiplied by the fp32 kernel.

/// Bits of the narrow signed integers that a format's weights are to a kernel: their own for integers, 1 for
/// binary, 2 for ternary, what the largest level needs for others; kFloatBits for formats that are decoded,
/// and for fp32.
int kernel_weight_bits(Format format);
/// Quantized, and decoded to fp32.
bool is_decoded(Format weight);
/// What the kernel of a layer multiplies. Decoded weights meet the values of quantized activations, in fp32.
LayerBits kernel_bits(LayerFormats formats);
/// Formats that lower to a kernel's bits.
LayerFormats formats_served_by(LayerBits bits);

}  // namespace bitsmith::quant
