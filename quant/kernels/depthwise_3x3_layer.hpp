#pragma once

#include <memory>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// The commonest depthwise convolution (3x3, stride 1 or 2 along rows, integers in and out, at least 32
/// channels) without intermediate buffers: sums and outputs are made in registers. Null where it does not
/// apply. Needs AVX-512 VNNI.
std::unique_ptr<PreparedKernel> make_depthwise_3x3(const LayerInfo& layer, Storage from, Storage to,
                                                   int batch, const LayerNumbers& numbers);

}  // namespace bitsmith::quant
