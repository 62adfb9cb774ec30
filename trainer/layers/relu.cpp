#include "trainer/layers/relu.hpp"

#include "trainer/kernels/passes.hpp"

namespace bitsmith::trainer {

void Relu::forward(const ForwardPart& part) {
  passes().clamp(part.x[0], part.samples * elements_, activation_.low, activation_.high, part.y);
}

void Relu::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  passes().clamp_backward(part.y, part.dy, part.samples * elements_, activation_.low, activation_.high,
                          part.dx[0]);
}

}  // namespace bitsmith::trainer
