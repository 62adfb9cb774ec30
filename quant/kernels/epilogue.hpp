#pragma once

#include <vector>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// The per-channel constants of LayerNumbers' formula, y = clamp((acc + offset) * multiplier, low, high),
/// with channels that are constant recognised.
struct Epilogue {
  std::vector<float> offset, multiplier;
  std::vector<bool> constant;  ///< acc counts as 0
};
Epilogue make_epilogue(const LayerNumbers& numbers);

/// The integer weights, those of constant channels set to 0, so that kernels need not know of them.
std::vector<std::int8_t> effective_weights(const LayerNumbers& numbers, const Epilogue& epilogue);
std::vector<float> effective_float_weights(const LayerNumbers& numbers, const Epilogue& epilogue);

}  // namespace bitsmith::quant
