#include "trainer/layers/matmul.hpp"

#include <algorithm>

#include "quant/kernels/token_kernels.hpp"

namespace bitsmith::trainer {
namespace {

/// to (columns x rows) = from^T, whose rows are `distance` floats apart.
void transposed(const float* from, std::int64_t distance, int rows, int columns, float* to) {
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) to[std::int64_t{c} * rows + r] = from[r * distance + c];
}

}  // namespace

MatMul::MatMul(const LayerArguments& arguments)
    : left_(arguments.input()),
      right_(arguments.info.nodes[static_cast<std::size_t>(arguments.node.inputs[1])].output),
      output_(arguments.node.output),
      heads_(arguments.node.groups),
      transpose_(arguments.node.transpose),
      factor_(arguments.node.factor),
      rows_(static_cast<int>(left_.pixels())),
      tokens_(static_cast<int>(right_.pixels())),
      depth_(right_.channels / heads_) {}

std::int64_t MatMul::scratch_floats(int, bool backward) const {
  const std::int64_t of_right = std::int64_t{tokens_} * depth_;
  return backward ? std::max(of_right, std::int64_t{rows_} * tokens_) : of_right;
}

void MatMul::forward(const ForwardPart& part) {
  const auto product = quant::token_kernels().product;
  const int lda = left_.channels, ldb = right_.channels, ldc = output_.channels;
  for (int n = 0; n < part.samples; ++n)
    for (int head = 0; head < heads_; ++head) {
      const float* a = part.x[0] + n * left_.elements() + head * (lda / heads_);
      const float* b = part.x[1] + n * right_.elements() + head * depth_;
      float* y = part.y + n * output_.elements() + head * (ldc / heads_);
      if (transpose_) {
        transposed(b, ldb, tokens_, depth_, part.scratch);
        product(a, lda, part.scratch, tokens_, rows_, tokens_, depth_, factor_, y, ldc);
      } else {
        product(a, lda, b, ldb, rows_, depth_, tokens_, factor_, y, ldc);
      }
    }
}

void MatMul::backward(const BackwardPart& part) {
  const auto product = quant::token_kernels().product;
  const int lda = left_.channels, ldb = right_.channels, ldc = output_.channels;
  for (int n = 0; n < part.samples; ++n)
    for (int head = 0; head < heads_; ++head) {
      const std::int64_t at_a = n * left_.elements() + head * (lda / heads_);
      const std::int64_t at_b = n * right_.elements() + head * depth_;
      const float *a = part.x[0] + at_a, *b = part.x[1] + at_b;
      const float* dy = part.dy + n * output_.elements() + head * (ldc / heads_);
      if (part.dx[0] != nullptr && transpose_) {
        product(dy, ldc, b, ldb, rows_, depth_, tokens_, factor_, part.dx[0] + at_a, lda);
      } else if (part.dx[0] != nullptr) {
        transposed(b, ldb, tokens_, depth_, part.scratch);
        product(dy, ldc, part.scratch, tokens_, rows_, tokens_, depth_, factor_, part.dx[0] + at_a, lda);
      }
      if (part.dx[1] == nullptr) continue;
      // tokens x rows times rows x depth: one of the two operands is dy, the other one A.
      transposed(transpose_ ? dy : a, transpose_ ? ldc : lda, rows_, tokens_, part.scratch);
      product(part.scratch, rows_, transpose_ ? a : dy, transpose_ ? lda : ldc, tokens_, depth_, rows_,
              factor_, part.dx[1] + at_b, ldb);
    }
}

}  // namespace bitsmith::trainer
