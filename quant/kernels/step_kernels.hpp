#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "quant/plan.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::quant {

/// The numbers of a plan's step that is not a layer.
struct StepNumbers {
  float scale = 1;                       ///< of the output, where it is u8 or s8
  IntegerRange range;                    ///< likewise
  float in_scale = 1, second_scale = 1;  ///< of operands that are u8 or s8; max_pool needs none
  /// batch_norm: y = multiplier[c] * x + bias[c]; layer_norm: gamma and beta; position: bias, one an element;
  /// prelu: the multipliers of what is negative
  std::vector<float> multiplier, bias;
  float epsilon = 1e-5f;                                ///< layer_norm
  float factor = 1;                                     ///< matmul; pad: the value of its pixels
  float alpha = 0, beta = 0;                            ///< function
  float high = std::numeric_limits<float>::infinity();  ///< relu and fused ReLU: 6 for ReLU6
};

/// How many numbers a step has of each kind.
struct StepParameters {
  std::int64_t multiplier = 0, bias = 0;
};
StepParameters step_parameters(const Step& step);

/// Ordinary numbers for measuring and testing a step: unit scale of 8 bits, multipliers near 1.
StepNumbers plain_numbers(const Step& step);

/// A step ready to run on batches of N,H,W,C; one thread at a time, no allocation.
class PreparedStep {
 public:
  virtual ~PreparedStep() = default;
  /// `second` is the other operand of an addition or a matrix product, else null. `out` may be `in` where
  /// runs_in_place() says so and elements have one size.
  virtual void run(const void* in, const void* second, void* out) = 0;
};

/// The kernel of every step kind but `layer`: its name, stored in latency tables, and how to make it ready.
/// quantize, add and average pooling read and write any storage, matmul f32 or else integers at both sides;
/// they compute
///
///     add:      q = quantize(clamp(a * in_scale + b * second_scale, low, high))    in fp32, in this order
///     pooling:  q = quantize(sum * (in_scale / taps)), the sum of integers exact
///     matmul:   q = quantize(sum * (in_scale * second_scale * factor)), likewise
///
/// with quantize(x) = clamp(round half to even(x / scale)) for u8 and s8, and x itself for f32. max_pool
/// and flatten keep their storage; batch_norm and relu are f32 -> f32; layer norm, GELU, softmax and
/// positions read f32 and write any storage; so do functions, PReLU, products and concat, while slice,
/// shuffle, pad and resize keep theirs.
std::string_view step_kernel_name(StepKind kind);
bool step_kernel_serves(const Step& step);
std::unique_ptr<PreparedStep> prepare_step(const Step& step, int batch, const StepNumbers& numbers);

/// The oracle of all of them: plain loops.
void reference_step(const Step& step, int batch, const StepNumbers& numbers, const void* in,
                    const void* second, void* out);

}  // namespace bitsmith::quant
