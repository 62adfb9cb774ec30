#include "trainer/layers/flatten.hpp"

namespace bitsmith::trainer {
namespace {

/// Per sample: to[column][row] = from[row][column].
void transpose(const float* from, int samples, int rows, int columns, float* to) {
  for (int n = 0; n < samples; ++n)
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < columns; ++c)
        to[(std::int64_t{n} * columns + c) * rows + r] = from[(std::int64_t{n} * rows + r) * columns + c];
}

}  // namespace

void Flatten::forward(const ForwardPart& part) {
  transpose(part.x[0], part.samples, pixels_, channels_, part.y);
}

void Flatten::backward(const BackwardPart& part) {
  if (part.dx[0] != nullptr) transpose(part.dy, part.samples, channels_, pixels_, part.dx[0]);
}

}  // namespace bitsmith::trainer
