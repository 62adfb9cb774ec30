#include "trainer/layers/multiply.hpp"

#include <algorithm>

#include "quant/kernels/function_kernels.hpp"

namespace bitsmith::trainer {

Multiply::Multiply(const LayerArguments& arguments)
    : gated_(arguments.info.nodes[static_cast<std::size_t>(arguments.node.inputs[1])].output !=
             arguments.node.output),
      channels_(arguments.node.output.channels),
      pixels_(arguments.node.output.pixels()) {}

void Multiply::forward(const ForwardPart& part) {
  const quant::FunctionKernels& k = quant::function_kernels();
  const std::int64_t elements = pixels_ * channels_;
  if (!gated_) return k.multiply(part.x[0], part.x[1], part.samples * elements, part.y);
  for (int n = 0; n < part.samples; ++n)
    k.gate(part.x[0] + n * elements, part.x[1] + std::int64_t{n} * channels_, pixels_, channels_,
           part.y + n * elements);
}

void Multiply::backward(const BackwardPart& part) {
  const quant::FunctionKernels& k = quant::function_kernels();
  const std::int64_t elements = pixels_ * channels_;
  if (!gated_) {
    if (part.dx[0] != nullptr) k.multiply(part.dy, part.x[1], part.samples * elements, part.dx[0]);
    if (part.dx[1] != nullptr) k.multiply(part.dy, part.x[0], part.samples * elements, part.dx[1]);
    return;
  }
  for (int n = 0; n < part.samples; ++n) {
    const float *x = part.x[0] + n * elements, *dy = part.dy + n * elements;
    if (part.dx[0] != nullptr)
      k.gate(dy, part.x[1] + std::int64_t{n} * channels_, pixels_, channels_, part.dx[0] + n * elements);
    if (part.dx[1] == nullptr) continue;
    float* sums = part.dx[1] + std::int64_t{n} * channels_;
    std::fill_n(sums, channels_, 0.0f);
    for (std::int64_t p = 0; p < pixels_; ++p)
      for (int c = 0; c < channels_; ++c) sums[c] += x[p * channels_ + c] * dy[p * channels_ + c];
  }
}

}  // namespace bitsmith::trainer
