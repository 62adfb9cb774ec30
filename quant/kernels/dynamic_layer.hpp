#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// A layer whose activations are quantized as they come: f32 in, f32 out, and in between each image as
/// integers of `activation_bits` at a scale of its own, its largest magnitude over the largest integer (1 for
/// an image of zeros), so that no image's result depends on the others of its batch. `row` multiplies the
/// integers; or, where it is an fp32 kernel because weights are decoded, their values.
///
///     y = clamp(acc * multiplier[c] * scale[image] + bias[c], low, high)
///
/// `numbers` are in real units, as for a layer that reads floats. Throws as KernelRow::prepare does.
std::unique_ptr<PreparedKernel> prepare_dynamic_layer(const LayerInfo& layer, LayerBits bits,
                                                      int activation_bits, const KernelRow& row, int batch,
                                                      const LayerNumbers& numbers);

}  // namespace bitsmith::quant
