#pragma once

#include <dnnl.hpp>

namespace bitsmith::trainer {

// oneDNN's primitives of a product for one number of samples. Activations are plain (N, H, W, C or N, C);
// weights and their gradients have whatever layout oneDNN asks for. Outputs and gradients that leave are
// fp32; `bias` is an empty description where there is none.

/// Of operands in f32, bf16, or u8/s8 with s8 weights.
struct ForwardProduct {
  dnnl::primitive primitive;
  dnnl::memory::desc x, y, bias, weights, scratch;
};

/// Of operands x, dy and weights in f32 or bf16. `by_data` is empty where no input gradient is wanted.
struct BackwardProduct {
  dnnl::primitive by_weights, by_data;
  dnnl::memory::desc x, dy, dx, bias, weights, weights_gradient;
  dnnl::memory::desc by_weights_scratch, by_data_scratch;
};

}  // namespace bitsmith::trainer
