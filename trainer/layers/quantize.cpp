#include "trainer/layers/quantize.hpp"

#include <algorithm>

#include "quant/fake_quantize.hpp"

namespace bitsmith::trainer {

Quantize::Quantize(const LayerArguments& arguments)
    : scale_(arguments.scale),
      range_(quant::integer_range(8, arguments.node.output_signed)),
      elements_(arguments.node.output.elements()) {}

void Quantize::forward(const ForwardPart& part) {
  const std::int64_t n = part.samples * elements_;
  if (scale() > 0)
    quant::fake_quantize(part.x[0], n, scale(), range_.low, range_.high, part.y);
  else
    std::copy_n(part.x[0], n, part.y);
}

void Quantize::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  const std::int64_t n = part.samples * elements_;
  if (scale() > 0)
    quant::fake_quantize_backward(part.x[0], n, scale(), range_.low, range_.high, part.dy, part.dx[0]);
  else if (part.dx[0] != part.dy)
    std::copy_n(part.dy, n, part.dx[0]);
}

}  // namespace bitsmith::trainer
