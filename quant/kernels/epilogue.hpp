#pragma once

#include <vector>

#include "quant/kernels/finish_kernels.hpp"
#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {

/// The per-channel constants of LayerNumbers' formula, y = clamp((acc + offset) * multiplier, low, high),
/// with channels that are constant recognised.
struct Epilogue {
  std::vector<float> offset, multiplier;
  std::vector<bool> constant;  ///< acc counts as 0
};
Epilogue make_epilogue(const LayerNumbers& numbers);

/// Writes the outputs of kernels that sum integers.
class Finisher {
 public:
  Finisher(const LayerNumbers& numbers, const Epilogue& epilogue, const LayerInfo& layer, Storage to,
           base::Isa isa);

  /// Output channels channel .. channel + count - 1 of pixels first .. first + rows - 1, from sums
  /// [rows][width]; `correction` is that of channel 0.
  void finish(const std::int32_t* sums, int width, int rows, const std::int32_t* correction,
              std::int64_t channel, int count, std::int64_t first, void* out) const;

 private:
  std::vector<float> offset_, multiplier_;
  float low_, high_;
  Finish finish_;
  std::int64_t each_, stride_;  ///< bytes of an output, and of a pixel's
};

/// Whether 32-bit sums of u8 x s8 products could overflow: 255 * 127 * 65536 < 2^31, and so is 255 * 7 * 16 *
/// 65536.
inline bool may_overflow(const LayerInfo& layer) { return layer.weights() / layer.output.channels > 65536; }

/// Whether every (acc + offset) * multiplier stays within what a 32-bit integer holds, so that clamping can
/// wait until outputs are integers.
bool rounds_within_32_bits(const LayerNumbers& numbers, const Epilogue& epilogue);

/// `low` and `high` as integers of a type's range: clamping to a rounded bound is rounding what was clamped,
/// as rounding keeps order.
struct OutputRange {
  int low, high;
};
OutputRange rounded_range(const LayerNumbers& numbers, Storage to);

/// The integer weights, those of constant channels set to 0, so that kernels need not know of them.
std::vector<std::int8_t> effective_weights(const LayerNumbers& numbers, const Epilogue& epilogue);
std::vector<float> effective_float_weights(const LayerNumbers& numbers, const Epilogue& epilogue);

}  // namespace bitsmith::quant
