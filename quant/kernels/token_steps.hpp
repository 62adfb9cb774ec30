#pragma once

#include <memory>

#include "quant/kernels/step_kernels.hpp"

namespace bitsmith::quant {

/// prepare_step() of layer norm, GELU, softmax, positions and matrix products.
std::unique_ptr<PreparedStep> prepare_token_step(const Step& step, int batch, const StepNumbers& numbers);

}  // namespace bitsmith::quant
