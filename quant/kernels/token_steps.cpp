#include "quant/kernels/token_steps.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/put.hpp"
#include "quant/kernels/token_kernels.hpp"

namespace bitsmith::quant {
namespace {

/// Some whole rows at a time, so that what is to be quantized stays in the L1 cache.
struct RowStep final : PreparedStep {
  static constexpr std::int64_t kChunk = 2048;  // floats, or one row where it is longer
  Step step;
  StepNumbers numbers;
  std::int64_t rows, width;
  std::vector<float> room;

  RowStep(const Step& given, int batch, const StepNumbers& of) : step(given), numbers(of) {
    const Shape& shape = step.output;
    width = step.kind == StepKind::softmax    ? shape.channels / step.groups
            : step.kind == StepKind::position ? shape.elements()
                                              : shape.channels;
    rows = shape.elements() * batch / width;
    if (step.to != Storage::f32) room.resize(static_cast<std::size_t>(std::max(kChunk, width)));
  }
  void run(const void* in, const void*, void* out) override {
    const std::int64_t at_once = std::max<std::int64_t>(1, kChunk / width);
    const auto* x = static_cast<const float*>(in);
    auto* y = static_cast<std::byte*>(out);
    for (std::int64_t row = 0; row < rows; row += at_once) {
      const std::int64_t count = std::min(at_once, rows - row), values = count * width;
      float* made = step.to == Storage::f32 ? reinterpret_cast<float*>(y) : room.data();
      compute(x, count, made);
      put(made, values, step.to, numbers, y);
      x += values;
      y += values * storage_bytes(step.to);
    }
  }

 private:
  void compute(const float* x, std::int64_t count, float* y) const {
    const TokenKernels& k = token_kernels();
    const int n = static_cast<int>(width);
    switch (step.kind) {
      case StepKind::layer_norm:
        return k.layer_norm(x, count, n, numbers.multiplier.data(), numbers.bias.data(), numbers.epsilon, y);
      case StepKind::gelu:
        return k.gelu(x, count * width, y);
      case StepKind::softmax:
        return k.softmax(x, count, n, y);
      default:
        for (std::int64_t r = 0; r < count; ++r)
          for (std::int64_t i = 0; i < width; ++i)
            y[r * width + i] = x[r * width + i] + numbers.bias[static_cast<std::size_t>(i)];
    }
  }
};

/// What both matrix products have: sizes of one head, and how a head's operands lie in memory.
struct Product : PreparedStep {
  Step step;
  int batch;
  StepNumbers numbers;
  int heads, rows, inner, columns;
  /// Element (k, column) of B lies at k * row_stride + column * column_stride of its head.
  std::int64_t row_stride, column_stride, b_head;
  std::vector<float> values;  ///< a row of the result, for integers

  Product(const Step& given, int images, const StepNumbers& of)
      : step(given),
        batch(images),
        numbers(of),
        heads(given.groups),
        rows(static_cast<int>(given.input.pixels())),
        inner(given.input.channels / heads),
        columns(given.output.channels / heads),
        row_stride(given.transpose ? 1 : given.second_input.channels),
        column_stride(given.transpose ? given.second_input.channels : 1),
        b_head(given.second_input.channels / heads),
        values(static_cast<std::size_t>(columns)) {}

  /// Calls compute(first element of A, of B, of the result) for every image and head.
  template <typename Compute>
  void each_head(const Compute& compute) const {
    for (int n = 0; n < batch; ++n)
      for (int head = 0; head < heads; ++head)
        compute(n * step.input.elements() + head * inner, n * step.second_input.elements() + head * b_head,
                n * step.output.elements() + std::int64_t{head} * columns);
  }
};

struct FloatProduct final : Product {
  std::vector<float> transposed, result;
  FloatProduct(const Step& given, int images, const StepNumbers& of) : Product(given, images, of) {
    if (step.transpose) transposed.resize(static_cast<std::size_t>(std::int64_t{inner} * columns));
    if (step.to != Storage::f32) result.resize(static_cast<std::size_t>(std::int64_t{rows} * columns));
  }
  void run(const void* in, const void* second, void* out) override {
    const auto *left = static_cast<const float*>(in), *right = static_cast<const float*>(second);
    const int distance = step.output.channels;
    each_head([&](std::int64_t a, std::int64_t b, std::int64_t y) {
      const float* matrix = right + b;
      std::int64_t ldb = row_stride;
      if (step.transpose) {
        for (int j = 0; j < columns; ++j)
          for (int k = 0; k < inner; ++k)
            transposed[static_cast<std::size_t>(std::int64_t{k} * columns + j)] =
                matrix[j * column_stride + k];
        matrix = transposed.data();
        ldb = columns;
      }
      const auto product = token_kernels().product;
      if (step.to == Storage::f32)
        return product(left + a, step.input.channels, matrix, ldb, rows, columns, inner, numbers.factor,
                       static_cast<float*>(out) + y, distance);
      product(left + a, step.input.channels, matrix, ldb, rows, columns, inner, numbers.factor, result.data(),
              columns);
      for (int i = 0; i < rows; ++i)
        put(result.data() + std::int64_t{i} * columns, columns, step.to, numbers,
            static_cast<std::byte*>(out) + y + std::int64_t{i} * distance);
    });
  }
};

struct IntegerProduct final : Product {
  int pairs, padded;
  std::vector<std::int32_t> left_pairs, right_pairs, sums;
  IntegerProduct(const Step& given, int images, const StepNumbers& of) : Product(given, images, of) {
    constexpr int kColumns = TokenKernels::kPairColumns;
    pairs = (inner + 1) / 2;
    padded = (columns + kColumns - 1) / kColumns * kColumns;
    left_pairs.resize(static_cast<std::size_t>(std::int64_t{rows} * pairs));
    right_pairs.resize(static_cast<std::size_t>(std::int64_t{pairs} * padded));
    sums.resize(static_cast<std::size_t>(std::int64_t{rows} * padded));
  }
  void run(const void* in, const void* second, void* out) override {
    const float factor = numbers.in_scale * numbers.second_scale * numbers.factor;
    each_head([&](std::int64_t a, std::int64_t b, std::int64_t y) {
      if (step.from == Storage::u8)
        pair_left(static_cast<const std::uint8_t*>(in) + a);
      else
        pair_left(static_cast<const std::int8_t*>(in) + a);
      if (step.second_from == Storage::u8)
        pair_right(static_cast<const std::uint8_t*>(second) + b);
      else
        pair_right(static_cast<const std::int8_t*>(second) + b);
      token_kernels().product_of_pairs(left_pairs.data(), right_pairs.data(), rows, padded, pairs,
                                       sums.data());
      for (int i = 0; i < rows; ++i) {
        const std::int64_t first = y + std::int64_t{i} * step.output.channels;
        float* row = step.to == Storage::f32 ? static_cast<float*>(out) + first : values.data();
        const std::int32_t* sum = sums.data() + std::int64_t{i} * padded;
        for (int j = 0; j < columns; ++j) row[j] = static_cast<float>(sum[j]) * factor;
        put(row, columns, step.to, numbers, static_cast<std::byte*>(out) + first * storage_bytes(step.to));
      }
    });
  }

 private:
  static std::int32_t pair(int first, int second) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(second) << 16 |
                                     (static_cast<std::uint32_t>(first) & 0xFFFFu));
  }
  template <typename T>
  void pair_left(const T* x) {
    std::int32_t* to = left_pairs.data();
    for (int i = 0; i < rows; ++i, x += step.input.channels)
      for (int k = 0; k < inner; k += 2) *to++ = pair(x[k], k + 1 < inner ? x[k + 1] : 0);
  }
  template <typename T>
  void pair_right(const T* x) {
    for (int k = 0; k < inner; k += 2) {
      std::int32_t* to = right_pairs.data() + std::int64_t{k} / 2 * padded;
      const T* row = x + k * row_stride;
      for (int j = 0; j < columns; ++j, row += column_stride)
        to[j] = pair(row[0], k + 1 < inner ? row[row_stride] : 0);
    }
  }
};

}  // namespace

std::unique_ptr<PreparedStep> prepare_token_step(const Step& step, int batch, const StepNumbers& numbers) {
  if (step.kind != StepKind::matmul) return std::make_unique<RowStep>(step, batch, numbers);
  if (step.from == Storage::f32) return std::make_unique<FloatProduct>(step, batch, numbers);
  return std::make_unique<IntegerProduct>(step, batch, numbers);
}

}  // namespace bitsmith::quant
