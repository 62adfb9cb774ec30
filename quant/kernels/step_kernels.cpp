#include "quant/kernels/step_kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/element_kernels.hpp"
#include "quant/kernels/image_steps.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/put.hpp"
#include "quant/kernels/token_steps.hpp"

namespace bitsmith::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const ElementKernels& kernels() {
  static const ElementKernels& chosen =
      pick_isa(base::selected_isa(), scalar::element_kernels, avx2::element_kernels, avx512::element_kernels);
  return chosen;
}

constexpr std::int64_t kChunk = 2048;  // floats between two loops: they stay in the L1 cache

const void* advance(const void* data, Storage storage, std::int64_t elements) {
  return static_cast<const std::byte*>(data) + elements * storage_bytes(storage);
}

/// The values of n elements: the elements themselves, or integers times their scale in `room`.
const float* values_of(const void* x, Storage storage, std::int64_t n, float scale, float* room) {
  if (storage == Storage::f32) return static_cast<const float*>(x);
  if (storage == Storage::u8)
    dequantize_u8(static_cast<const std::uint8_t*>(x), n, scale, room);
  else
    dequantize_s8(static_cast<const std::int8_t*>(x), n, scale, room);
  return room;
}

/// Also from integers to others, and back to floats.
struct Quantize final : PreparedStep {
  std::int64_t n;
  Storage from, to;
  StepNumbers numbers;
  std::vector<float> room;
  Quantize(std::int64_t elements, const Step& step, const StepNumbers& given)
      : n(elements), from(step.from), to(step.to), numbers(given), room(kChunk) {}
  void run(const void* in, const void*, void* out) override {
    if (from == Storage::f32) return put(static_cast<const float*>(in), n, to, numbers, out);
    if (to == Storage::f32) {
      values_of(in, from, n, numbers.in_scale, static_cast<float*>(out));
      return;
    }
    for (std::int64_t i = 0; i < n; i += kChunk) {
      const std::int64_t count = std::min(kChunk, n - i);
      const float* values = values_of(advance(in, from, i), from, count, numbers.in_scale, room.data());
      put(values, count, to, numbers, const_cast<void*>(advance(out, to, i)));
    }
  }
};

struct Relu final : PreparedStep {
  std::int64_t n;
  float high;
  Relu(std::int64_t elements, float top) : n(elements), high(top) {}
  void run(const void* in, const void*, void* out) override {
    kernels().relu(static_cast<const float*>(in), n, high, static_cast<float*>(out));
  }
};

struct Add final : PreparedStep {
  std::int64_t n;
  Storage from, second_from, to;
  float low, high;
  StepNumbers numbers;
  std::vector<float> room, second_room;
  Add(std::int64_t elements, const Step& step, const StepNumbers& given)
      : n(elements),
        from(step.from),
        second_from(step.second_from),
        to(step.to),
        low(step.fused_relu ? 0 : -kInfinity),
        high(step.fused_relu ? given.high : kInfinity),
        numbers(given),
        room(kChunk),
        second_room(kChunk) {}
  void run(const void* in, const void* second, void* out) override {
    for (std::int64_t i = 0; i < n; i += kChunk) {
      const std::int64_t count = std::min(kChunk, n - i);
      const float* a = values_of(advance(in, from, i), from, count, numbers.in_scale, room.data());
      const float* b = values_of(advance(second, second_from, i), second_from, count, numbers.second_scale,
                                 second_room.data());
      void* y = const_cast<void*>(advance(out, to, i));
      float* sums = to == Storage::f32 ? static_cast<float*>(y) : room.data();
      kernels().add(a, b, count, low, high, sums);
      put(sums, count, to, numbers, y);
    }
  }
};

struct BatchNorm final : PreparedStep {
  std::int64_t pixels;
  int channels;
  StepNumbers numbers;
  BatchNorm(std::int64_t all_pixels, int all_channels, const StepNumbers& given)
      : pixels(all_pixels), channels(all_channels), numbers(given) {}
  void run(const void* in, const void*, void* out) override {
    kernels().batch_norm(static_cast<const float*>(in), pixels, channels, numbers.multiplier.data(),
                         numbers.bias.data(), static_cast<float*>(out));
  }
};

/// Calls visit(pixel's first element) for the pixels of an output's window that lie on the image.
template <typename Visit>
void each_tap(const Step& step, int y, int x, const Visit& visit) {
  const Window& w = step.window;
  for (int ky = 0; ky < w.kernel_h; ++ky)
    for (int kx = 0; kx < w.kernel_w; ++kx) {
      const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
      const int ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
      if (iy < 0 || iy >= step.input.height || ix < 0 || ix >= step.input.width) continue;
      visit((std::int64_t{iy} * step.input.width + ix) * step.input.channels);
    }
}

/// Calls compute(image, row, column, output pixel) for every output of a batch.
template <typename Compute>
void each_output(const Step& step, int batch, const void* in, void* out, const Compute& compute) {
  const auto* image = static_cast<const std::byte*>(in);
  auto* pixel = static_cast<std::byte*>(out);
  for (int n = 0; n < batch; ++n, image += step.input.elements() * storage_bytes(step.from))
    for (int y = 0; y < step.output.height; ++y)
      for (int x = 0; x < step.output.width; ++x, pixel += step.output.channels * storage_bytes(step.to))
        compute(image, y, x, pixel);
}

/// A transposition of each image: pixels x channels to channels x pixels.
struct Flatten final : PreparedStep {
  int batch, pixels, channels;
  std::int64_t size;
  Flatten(const Step& step, int images)
      : batch(images),
        pixels(step.input.height * step.input.width),
        channels(step.input.channels),
        size(storage_bytes(step.from)) {}
  void run(const void* in, const void*, void* out) override {
    if (size == 1)
      transpose(static_cast<const std::uint8_t*>(in), static_cast<std::uint8_t*>(out));
    else
      transpose(static_cast<const float*>(in), static_cast<float*>(out));
  }

 private:
  template <typename T>
  void transpose(const T* x, T* y) const {
    for (int n = 0; n < batch; ++n, x += std::int64_t{pixels} * channels)
      for (int c = 0; c < channels; ++c)
        for (int p = 0; p < pixels; ++p) *y++ = x[std::int64_t{p} * channels + c];
  }
};

/// Padding takes no part; a window of padding alone gives 0.
struct MaxPool final : PreparedStep {
  Step step;
  int batch;
  MaxPool(const Step& given, int images) : step(given), batch(images) {}
  void run(const void* in, const void*, void* out) override {
    const int channels = step.output.channels;
    const std::int64_t size = storage_bytes(step.from);
    const auto bytes = static_cast<std::size_t>(channels * size);
    const auto take_max = step.from == Storage::f32  ? kernels().max_f32
                          : step.from == Storage::u8 ? kernels().max_u8
                                                     : kernels().max_s8;
    each_output(step, batch, in, out, [&](const std::byte* image, int y, int x, std::byte* pixel) {
      bool any = false;
      each_tap(step, y, x, [&](std::int64_t at) {
        if (any)
          take_max(image + at * size, channels, pixel);
        else
          std::memcpy(pixel, image + at * size, bytes);
        any = true;
      });
      if (!any) std::memset(pixel, 0, bytes);
    });
  }
};

/// Likewise; padding is left out of the divisor, and global pooling is one window. Integers are summed
/// exactly.
struct AveragePool final : PreparedStep {
  Step step;
  int batch;
  StepNumbers numbers;
  std::vector<float> values;
  std::vector<std::int32_t> sums;
  AveragePool(const Step& given, int images, const StepNumbers& of)
      : step(given),
        batch(images),
        numbers(of),
        values(static_cast<std::size_t>(given.output.channels)),
        sums(values.size()) {
    if (given.kind == StepKind::global_average_pool)
      step.window = {given.input.height, given.input.width, 1, 1, 1, 1, 0, 0, 0, 0};
  }
  void run(const void* in, const void*, void* out) override {
    each_output(step, batch, in, out, [&](const std::byte* image, int y, int x, std::byte* pixel) {
      const int taps =
          step.from == Storage::f32 ? sum_floats(reinterpret_cast<const float*>(image), y, x)
          : step.from == Storage::u8
              ? sum_integers(reinterpret_cast<const std::uint8_t*>(image), y, x, kernels().sum_u8)
              : sum_integers(reinterpret_cast<const std::int8_t*>(image), y, x, kernels().sum_s8);
      const int channels = step.output.channels;
      const int counted = step.counts_padding ? step.window.kernel_h * step.window.kernel_w : taps;
      const auto count = static_cast<float>(std::max(counted, 1));
      if (step.from == Storage::f32)
        kernels().scale(values.data(), channels, 1.0f / count, values.data());
      else
        kernels().scale_sums(sums.data(), channels, numbers.in_scale / count, values.data());
      put(values.data(), channels, step.to, numbers, pixel);
    });
  }

 private:
  int sum_floats(const float* image, int y, int x) {
    int taps = 0;
    std::ranges::fill(values, 0.0f);
    each_tap(step, y, x, [&](std::int64_t at) {
      kernels().sum(image + at, step.output.channels, values.data());
      ++taps;
    });
    return taps;
  }
  template <typename T>
  int sum_integers(const T* image, int y, int x, void (*add)(const T*, int, std::int32_t*)) {
    int taps = 0;
    std::ranges::fill(sums, 0);
    each_tap(step, y, x, [&](std::int64_t at) {
      add(image + at, step.output.channels, sums.data());
      ++taps;
    });
    return taps;
  }
};

}  // namespace

std::string_view step_kernel_name(StepKind kind) {
  return kind == StepKind::layer ? "" : step_kind_name(kind);
}

bool step_kernel_serves(const Step& step) {
  const bool floats = step.from == Storage::f32 && step.to == Storage::f32;
  switch (step.kind) {
    case StepKind::layer:
      return false;
    case StepKind::quantize:
      return !floats;
    case StepKind::max_pool:
    case StepKind::flatten:
      return step.from == step.to;
    case StepKind::add:
    case StepKind::average_pool:
    case StepKind::global_average_pool:
      return true;
    case StepKind::batch_norm:
    case StepKind::relu:
      return floats;
    case StepKind::layer_norm:
    case StepKind::gelu:
    case StepKind::softmax:
    case StepKind::position:
      return step.from == Storage::f32;
    case StepKind::function:
    case StepKind::prelu:
      return step.from == Storage::f32;
    case StepKind::multiply:
    case StepKind::concat:
      return step.from == Storage::f32 && step.second_from == Storage::f32;
    case StepKind::slice:
    case StepKind::shuffle:
    case StepKind::pad:
    case StepKind::resize:
      return step.from == step.to;
    case StepKind::matmul:
      return (step.from == Storage::f32) == (step.second_from == Storage::f32);
  }
  return false;
}

StepParameters step_parameters(const Step& step) {
  const std::int64_t channels = step.output.channels;
  if (step.kind == StepKind::batch_norm || step.kind == StepKind::layer_norm) return {channels, channels};
  if (step.kind == StepKind::prelu) return {channels, 0};
  if (step.kind == StepKind::position) return {0, step.output.elements()};
  return {};
}

StepNumbers plain_numbers(const Step& step) {
  StepNumbers numbers;
  numbers.scale = numbers.in_scale = numbers.second_scale = 1.0f / 64;
  numbers.range = integer_range(8, step.to == Storage::s8);
  numbers.alpha = -0.5f;
  numbers.beta = 0.75f;
  const StepParameters has = step_parameters(step);
  for (std::int64_t i = 0; i < has.multiplier; ++i)
    numbers.multiplier.push_back(1.0f + 0.01f * static_cast<float>(i % 7));
  for (std::int64_t i = 0; i < has.bias; ++i) numbers.bias.push_back(0.1f * static_cast<float>(i % 5) - 0.2f);
  return numbers;
}

std::unique_ptr<PreparedStep> prepare_step(const Step& step, int batch, const StepNumbers& numbers) {
  base::require(step_kernel_serves(step), "no kernel serves this step");
  base::require(batch >= 1, "a step needs at least one image");
  const std::int64_t n = step.output.elements() * batch;
  const StepParameters has = step_parameters(step);
  base::require(std::ssize(numbers.multiplier) == has.multiplier && std::ssize(numbers.bias) == has.bias,
                "a step with other parameters than it needs");
  if (is_function_step(step.kind)) return prepare_function_step(step, batch, numbers);
  if (is_moving_step(step.kind)) return prepare_moving_step(step, batch, numbers);
  switch (step.kind) {
    case StepKind::quantize:
      return std::make_unique<Quantize>(n, step, numbers);
    case StepKind::relu:
      return std::make_unique<Relu>(n, numbers.high);
    case StepKind::add:
      return std::make_unique<Add>(n, step, numbers);
    case StepKind::batch_norm:
      return std::make_unique<BatchNorm>(n / step.output.channels, step.output.channels, numbers);
    case StepKind::max_pool:
      return std::make_unique<MaxPool>(step, batch);
    case StepKind::flatten:
      return std::make_unique<Flatten>(step, batch);
    case StepKind::layer_norm:
    case StepKind::gelu:
    case StepKind::softmax:
    case StepKind::position:
    case StepKind::matmul:
      return prepare_token_step(step, batch, numbers);
    default:
      return std::make_unique<AveragePool>(step, batch, numbers);
  }
}

}  // namespace bitsmith::quant
