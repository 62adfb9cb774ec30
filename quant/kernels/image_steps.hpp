#pragma once

#include <memory>

#include "quant/kernels/step_kernels.hpp"

namespace bitsmith::quant {

/// Functions of elements and products of tensors: f32 in, any storage out.
bool is_function_step(StepKind kind);
std::unique_ptr<PreparedStep> prepare_function_step(const Step& step, int batch, const StepNumbers& numbers);

/// What moves pixels and channels and computes nothing. concat reads f32 and writes any storage, the others
/// keep theirs.
bool is_moving_step(StepKind kind);
std::unique_ptr<PreparedStep> prepare_moving_step(const Step& step, int batch, const StepNumbers& numbers);

/// Where channel `c` of a step's output comes from in its input: slice and shuffle.
int moved_channel(const Step& step, int c);

}  // namespace bitsmith::quant
