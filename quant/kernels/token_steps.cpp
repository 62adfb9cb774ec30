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

/// What both matrix products have: sizes of one head, and a place for an image's results.
struct Product : PreparedStep {
  Step step;
  int batch;
  StepNumbers numbers;
  int heads, rows, inner, columns;
  std::vector<float> values;  ///< of an image, before they are quantized

  Product(const Step& given, int images, const StepNumbers& of)
      : step(given),
        batch(images),
        numbers(of),
        heads(given.groups),
        rows(static_cast<int>(given.input.pixels())),
        inner(given.input.channels / heads),
        columns(given.output.channels / heads) {
    if (step.to != Storage::f32) values.resize(static_cast<std::size_t>(step.output.elements()));
  }

  /// Calls compute(first element of A, of B, where the first result goes) for every image and head.
  template <typename Compute>
  void each_head(void* out, const Compute& compute) {
    const std::int64_t one = step.output.elements();
    auto* to = static_cast<std::byte*>(out);
    for (int n = 0; n < batch; ++n, to += one * storage_bytes(step.to)) {
      float* image = step.to == Storage::f32 ? reinterpret_cast<float*>(to) : values.data();
      for (int head = 0; head < heads; ++head)
        compute(n * step.input.elements() + head * inner,
                n * step.second_input.elements() + head * (step.second_input.channels / heads),
                image + std::int64_t{head} * columns);
      put(image, one, step.to, numbers, to);
    }
  }
};

struct FloatProduct final : Product {
  std::vector<float> transposed;
  FloatProduct(const Step& given, int images, const StepNumbers& of) : Product(given, images, of) {
    if (step.transpose) transposed.resize(static_cast<std::size_t>(std::int64_t{inner} * columns));
  }
  void run(const void* in, const void* second, void* out) override {
    each_head(out, [&](std::int64_t a, std::int64_t b, float* y) {
      const float *left = static_cast<const float*>(in) + a, *right = static_cast<const float*>(second) + b;
      std::int64_t ldb = step.second_input.channels;
      if (step.transpose) {
        transpose(right, ldb);
        right = transposed.data();
        ldb = columns;
      }
      token_kernels().product(left, step.input.channels, right, ldb, rows, columns, inner, numbers.factor, y,
                              step.output.channels);
    });
  }

 private:
  void transpose(const float* from, std::int64_t distance) {
    for (int j = 0; j < columns; ++j)
      for (int k = 0; k < inner; ++k)
        transposed[static_cast<std::size_t>(std::int64_t{k} * columns + j)] = from[j * distance + k];
  }
};

struct IntegerProduct final : Product {
  int pairs, padded;
  std::vector<std::int32_t> left_pairs, right_pairs, token_pairs;
  std::vector<std::uint8_t> zeros;
  IntegerProduct(const Step& given, int images, const StepNumbers& of) : Product(given, images, of) {
    constexpr int kColumns = TokenKernels::kPairColumns;
    pairs = (inner + 1) / 2;
    padded = (columns + kColumns - 1) / kColumns * kColumns;
    left_pairs.resize(static_cast<std::size_t>(std::int64_t{rows} * pairs));
    right_pairs.resize(static_cast<std::size_t>(std::int64_t{pairs} * padded));
    if (step.transpose) token_pairs.resize(static_cast<std::size_t>(std::int64_t{columns} * pairs));
    if (!step.transpose) zeros.resize(static_cast<std::size_t>(columns));
  }
  void run(const void* in, const void* second, void* out) override {
    const TokenKernels& k = token_kernels();
    const float factor = numbers.in_scale * numbers.second_scale * numbers.factor;
    const int lda = step.input.channels;
    each_head(out, [&](std::int64_t a, std::int64_t b, float* y) {
      if (step.from == Storage::u8)
        k.pair_u8(static_cast<const std::uint8_t*>(in) + a, lda, rows, inner, left_pairs.data());
      else
        k.pair_s8(static_cast<const std::int8_t*>(in) + a, lda, rows, inner, left_pairs.data());
      if (step.second_from == Storage::u8)
        pair_right(static_cast<const std::uint8_t*>(second) + b, k.pair_u8, k.interleave_u8);
      else
        pair_right(static_cast<const std::int8_t*>(second) + b, k.pair_s8, k.interleave_s8);
      k.product_of_pairs(left_pairs.data(), right_pairs.data(), rows, columns, pairs, factor, y,
                         step.output.channels);
    });
  }

 private:
  template <typename T, typename Pair, typename Interleave>
  void pair_right(const T* x, const Pair& pair, const Interleave& interleave) {
    const std::int64_t distance = step.second_input.channels;
    if (!step.transpose) {
      const T* zero = reinterpret_cast<const T*>(zeros.data());
      for (int k = 0; k < pairs; ++k)
        interleave(x + 2 * k * distance, 2 * k + 1 < inner ? x + (2 * k + 1) * distance : zero, columns,
                   right_pairs.data() + std::int64_t{k} * padded);
      return;
    }
    pair(x, distance, columns, inner, token_pairs.data());
    for (int k = 0; k < pairs; ++k) {
      std::int32_t* to = right_pairs.data() + std::int64_t{k} * padded;
      for (int j = 0; j < columns; ++j)
        to[j] = token_pairs[static_cast<std::size_t>(std::int64_t{j} * pairs + k)];
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
