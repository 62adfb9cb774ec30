#include "trainer/layers/add.hpp"

#include "trainer/kernels/passes.hpp"

namespace bitsmith::trainer {

void Add::forward(const ForwardPart& part) {
  passes().add(part.x[0], part.x[1], part.samples * elements_, activation_.low, activation_.high, part.y);
}

void Add::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  passes().clamp_backward(part.y, part.dy, part.samples * elements_, activation_.low, activation_.high,
                          part.dx[0]);
}

}  // namespace bitsmith::trainer
