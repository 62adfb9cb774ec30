#include <algorithm>
#include <cmath>

#include "quant/kernels/image_steps.hpp"
#include "quant/kernels/step_kernels.hpp"

namespace bitsmith::quant {
namespace {

double read(Storage storage, const void* data, std::int64_t i) {
  switch (storage) {
    case Storage::f32:
      return static_cast<double>(static_cast<const float*>(data)[i]);
    case Storage::u8:
      return static_cast<const std::uint8_t*>(data)[i];
    case Storage::s8:
      return static_cast<const std::int8_t*>(data)[i];
  }
  return 0;
}

void write(Storage storage, void* data, std::int64_t i, double value) {
  switch (storage) {
    case Storage::f32:
      static_cast<float*>(data)[i] = static_cast<float>(value);
      break;
    case Storage::u8:
      static_cast<std::uint8_t*>(data)[i] = static_cast<std::uint8_t>(value);
      break;
    case Storage::s8:
      static_cast<std::int8_t*>(data)[i] = static_cast<std::int8_t>(value);
      break;
  }
}

/// A value as a step's output.
void put(const Step& step, const StepNumbers& numbers, void* out, std::int64_t i, float value) {
  if (step.to == Storage::f32)
    write(step.to, out, i, static_cast<double>(value));
  else
    write(step.to, out, i, quantize_one(value, numbers.scale, numbers.range));
}

/// The real number that an operand's element stands for.
float value_of(Storage storage, const void* data, std::int64_t i, float scale) {
  const auto element = static_cast<float>(read(storage, data, i));
  return storage == Storage::f32 ? element : element * scale;
}

void pool(const Step& step, const StepNumbers& numbers, int n, int y, int x, int c, const void* in,
          void* out) {
  Window w = step.window;
  if (step.kind == StepKind::global_average_pool)
    w = {step.input.height, step.input.width, 1, 1, 1, 1, 0, 0, 0, 0};
  double sum = 0, largest = -std::numeric_limits<double>::infinity();
  int taps = 0;
  for (int ky = 0; ky < w.kernel_h; ++ky)
    for (int kx = 0; kx < w.kernel_w; ++kx) {
      const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
      const int ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
      if (iy < 0 || iy >= step.input.height || ix < 0 || ix >= step.input.width) continue;
      const double value = read(
          step.from, in,
          ((std::int64_t{n} * step.input.height + iy) * step.input.width + ix) * step.input.channels + c);
      sum += value;
      largest = std::max(largest, value);
      ++taps;
    }
  const std::int64_t at =
      ((std::int64_t{n} * step.output.height + y) * step.output.width + x) * step.output.channels + c;
  const int divisor = step.counts_padding ? w.kernel_h * w.kernel_w : taps;
  if (step.kind == StepKind::max_pool)
    write(step.to, out, at, taps == 0 ? 0 : largest);
  else if (taps == 0)
    put(step, numbers, out, at, 0);
  else if (step.from == Storage::f32)
    put(step, numbers, out, at, static_cast<float>(sum / divisor));
  else
    put(step, numbers, out, at, static_cast<float>(sum) * (numbers.in_scale / static_cast<float>(divisor)));
}

/// Layer norm, GELU, softmax and positions: one number for another, given the row that it is in.
void rows(const Step& step, const StepNumbers& numbers, std::int64_t elements, const float* x, void* out) {
  const std::int64_t width = step.output.channels / (step.kind == StepKind::softmax ? step.groups : 1);
  for (std::int64_t first = 0; first < elements; first += width) {
    double sum = 0, squares = 0, powers = 0;
    for (std::int64_t i = first; i < first + width; ++i) {
      sum += static_cast<double>(x[i]);
      powers += std::exp(static_cast<double>(x[i]));
    }
    const double mean = sum / static_cast<double>(width);
    for (std::int64_t i = first; i < first + width; ++i)
      squares += std::pow(static_cast<double>(x[i]) - mean, 2);
    const double deviation =
        std::sqrt(squares / static_cast<double>(width) + static_cast<double>(numbers.epsilon));
    for (std::int64_t i = first; i < first + width; ++i) {
      const auto v = static_cast<double>(x[i]);
      const auto c = static_cast<std::size_t>(i - first);
      const auto pixel = static_cast<std::size_t>(i % step.output.elements());
      const double y = step.kind == StepKind::gelu      ? 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)))
                       : step.kind == StepKind::softmax ? std::exp(v) / powers
                       : step.kind == StepKind::position
                           ? v + static_cast<double>(numbers.bias[pixel])
                           : (v - mean) / deviation * static_cast<double>(numbers.multiplier[c]) +
                                 static_cast<double>(numbers.bias[c]);
      put(step, numbers, out, i, static_cast<float>(y));
    }
  }
}

double apply(Function function, double alpha, double beta, double x) {
  switch (function) {
    case Function::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Function::hard_sigmoid:
      return std::clamp(alpha * x + beta, 0.0, 1.0);
    case Function::hard_swish:
      return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
    case Function::silu:
      return x / (1 + std::exp(-x));
    case Function::leaky_relu:
      return x < 0 ? alpha * x : x;
    case Function::clip:
      return std::clamp(x, alpha, beta);
    case Function::erf:
      return std::erf(x);
  }
  return 0;
}

/// Functions, PReLU and products: element `i`, of channel `c` of image `n`.
double made(const Step& step, const StepNumbers& numbers, double x, const float* second, std::int64_t i,
            int c, std::int64_t n) {
  if (step.kind == StepKind::function)
    return apply(step.function, static_cast<double>(numbers.alpha), static_cast<double>(numbers.beta), x);
  if (step.kind == StepKind::prelu)
    return x < 0 ? x * static_cast<double>(numbers.multiplier[static_cast<std::size_t>(c)]) : x;
  const bool whole = step.second_input == step.input;
  return x * static_cast<double>(second[whole ? i : n * step.second_input.channels + c]);
}

/// Slice, shuffle, pad, resize and concat: each output element from where it was.
void move(const Step& step, const StepNumbers& numbers, int batch, const void* in, const void* second,
          void* out) {
  std::int64_t i = 0;
  for (int n = 0; n < batch; ++n)
    for (int y = 0; y < step.output.height; ++y)
      for (int x = 0; x < step.output.width; ++x)
        for (int c = 0; c < step.output.channels; ++c, ++i) {
          const Window& w = step.window;
          const bool is_pad = step.kind == StepKind::pad, is_resize = step.kind == StepKind::resize;
          const int row = is_pad ? y - w.pad_top : is_resize ? y / w.stride_h : y;
          const int column = is_pad ? x - w.pad_left : is_resize ? x / w.stride_w : x;
          const std::int64_t pixel = (std::int64_t{n} * step.input.height + row) * step.input.width + column;
          if (step.kind == StepKind::concat) {
            const bool left = c < step.input.channels;
            const float* from = static_cast<const float*>(left ? in : second);
            put(step, numbers, out, i,
                left ? from[pixel * step.input.channels + c]
                     : from[pixel * step.second_input.channels + c - step.input.channels]);
          } else if (row < 0 || row >= step.input.height || column < 0 || column >= step.input.width) {
            // Integers are padded with 0 alone.
            write(step.to, out, i, step.to == Storage::f32 ? static_cast<double>(numbers.factor) : 0.0);
          } else {
            write(step.to, out, i, read(step.from, in, pixel * step.input.channels + moved_channel(step, c)));
          }
        }
}

/// Output (i, j) of a head: the sum over k of A(i, k) * B(k, j); B's rows are pixels, or channels if
/// transposed.
void matmul(const Step& step, int batch, const StepNumbers& numbers, const void* in, const void* second,
            void* out) {
  const int heads = step.groups, inner = step.input.channels / heads, columns = step.output.channels / heads;
  const std::int64_t rows = step.input.pixels(), depth = step.second_input.channels;
  const float factor =
      step.from == Storage::f32 ? numbers.factor : numbers.in_scale * numbers.second_scale * numbers.factor;
  for (int n = 0; n < batch; ++n)
    for (std::int64_t i = 0; i < rows; ++i)
      for (int head = 0; head < heads; ++head)
        for (int j = 0; j < columns; ++j) {
          double sum = 0;
          for (int k = 0; k < inner; ++k) {
            const std::int64_t token = step.transpose ? j : k, channel = step.transpose ? k : j;
            sum += read(step.from, in, (n * rows + i) * step.input.channels + head * inner + k) *
                   read(step.second_from, second,
                        (n * step.second_input.pixels() + token) * depth + head * (depth / heads) + channel);
          }
          put(step, numbers, out, (n * rows + i) * step.output.channels + head * columns + j,
              static_cast<float>(sum) * factor);
        }
}

}  // namespace

void reference_step(const Step& step, int batch, const StepNumbers& numbers, const void* in,
                    const void* second, void* out) {
  const float* x = static_cast<const float*>(in);
  const std::int64_t elements = step.output.elements() * batch;
  const double high = static_cast<double>(numbers.high);
  switch (step.kind) {
    case StepKind::max_pool:
    case StepKind::average_pool:
    case StepKind::global_average_pool:
      for (int n = 0; n < batch; ++n)
        for (int y = 0; y < step.output.height; ++y)
          for (int column = 0; column < step.output.width; ++column)
            for (int c = 0; c < step.output.channels; ++c) pool(step, numbers, n, y, column, c, in, out);
      return;
    case StepKind::flatten:
      for (std::int64_t i = 0; i < elements; ++i) {
        const std::int64_t pixels = step.input.height * step.input.width, one = step.output.elements();
        const std::int64_t c = i % one / pixels, p = i % pixels;
        write(step.to, out, i, read(step.from, in, i / one * one + p * step.input.channels + c));
      }
      return;
    case StepKind::layer_norm:
    case StepKind::gelu:
    case StepKind::softmax:
    case StepKind::position:
      return rows(step, numbers, elements, x, out);
    case StepKind::matmul:
      return matmul(step, batch, numbers, in, second, out);
    case StepKind::function:
    case StepKind::prelu:
    case StepKind::multiply:
      for (std::int64_t i = 0; i < elements; ++i)
        put(step, numbers, out, i,
            static_cast<float>(made(step, numbers, static_cast<double>(x[i]),
                                    static_cast<const float*>(second), i,
                                    static_cast<int>(i % step.output.channels), i / step.output.elements())));
      return;
    case StepKind::concat:
    case StepKind::slice:
    case StepKind::shuffle:
    case StepKind::pad:
    case StepKind::resize:
      return move(step, numbers, batch, in, second, out);
    case StepKind::quantize:
      for (std::int64_t i = 0; i < elements; ++i)
        put(step, numbers, out, i, value_of(step.from, in, i, numbers.in_scale));
      return;
    case StepKind::batch_norm:
      for (std::int64_t i = 0; i < elements; ++i) {
        const std::size_t c = static_cast<std::size_t>(i % step.output.channels);
        write(step.to, out, i,
              static_cast<double>(numbers.multiplier[c]) * static_cast<double>(x[i]) +
                  static_cast<double>(numbers.bias[c]));
      }
      return;
    case StepKind::relu:
      for (std::int64_t i = 0; i < elements; ++i)
        write(step.to, out, i, std::clamp(static_cast<double>(x[i]), 0.0, high));
      return;
    case StepKind::add:
      for (std::int64_t i = 0; i < elements; ++i) {
        const float sum = value_of(step.from, in, i, numbers.in_scale) +
                          value_of(step.second_from, second, i, numbers.second_scale);
        put(step, numbers, out, i, step.fused_relu ? std::clamp(sum, 0.0f, numbers.high) : sum);
      }
      return;
    case StepKind::layer:
      return;
  }
}

}  // namespace bitsmith::quant
