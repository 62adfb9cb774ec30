#include "quant/kernels/step_kernels.hpp"

#include <cstring>

#include "quant/base/error.hpp"
#include "quant/fake_quantize.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/element_kernels.hpp"
#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const ElementKernels& kernels() {
  static const ElementKernels& chosen =
      pick_isa(base::selected_isa(), scalar::element_kernels, avx2::element_kernels, avx512::element_kernels);
  return chosen;
}

struct Quantize final : PreparedStep {
  std::int64_t n;
  Storage to;
  StepNumbers numbers;
  Quantize(std::int64_t elements, Storage storage, const StepNumbers& given)
      : n(elements), to(storage), numbers(given) {}
  void run(const void* in, const void*, void* out) override {
    const float* x = static_cast<const float*>(in);
    const IntegerRange r = numbers.range;
    if (to == Storage::u8)
      quantize_u8(x, n, numbers.scale, r.low, r.high, static_cast<std::uint8_t*>(out));
    else
      quantize_s8(x, n, numbers.scale, r.low, r.high, static_cast<std::int8_t*>(out));
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
  float low, high;
  Add(std::int64_t elements, float bottom, float top) : n(elements), low(bottom), high(top) {}
  void run(const void* in, const void* second, void* out) override {
    kernels().add(static_cast<const float*>(in), static_cast<const float*>(second), n, low, high,
                  static_cast<float*>(out));
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

/// Max and average pooling; global pooling is one window. Padding takes no part; a window of padding alone
/// gives 0.
struct Pool final : PreparedStep {
  Step step;
  int batch;
  bool average;
  Pool(const Step& given, int images)
      : step(given), batch(images), average(given.kind != StepKind::max_pool) {
    if (given.kind == StepKind::global_average_pool)
      step.window = {given.input.height, given.input.width, 1, 1, 1, 1, 0, 0, 0, 0};
  }

  void run(const void* in, const void*, void* out) override {
    const std::int64_t size = storage_bytes(step.from);
    const auto* image = static_cast<const std::uint8_t*>(in);
    auto* pixel = static_cast<std::uint8_t*>(out);
    for (int n = 0; n < batch; ++n, image += step.input.elements() * size)
      for (int y = 0; y < step.output.height; ++y)
        for (int x = 0; x < step.output.width; ++x, pixel += step.output.channels * size)
          compute(image, y, x, pixel);
  }

  void compute(const std::uint8_t* image, int y, int x, std::uint8_t* pixel) const {
    const Window& w = step.window;
    const int channels = step.output.channels;
    const std::int64_t pixel_bytes = channels * storage_bytes(step.from);
    const auto take_max = step.from == Storage::f32  ? kernels().max_f32
                          : step.from == Storage::u8 ? kernels().max_u8
                                                     : kernels().max_s8;
    int taps = 0;
    for (int ky = 0; ky < w.kernel_h; ++ky)
      for (int kx = 0; kx < w.kernel_w; ++kx) {
        const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
        const int ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
        if (iy < 0 || iy >= step.input.height || ix < 0 || ix >= step.input.width) continue;
        const std::uint8_t* from = image + (std::int64_t{iy} * step.input.width + ix) * pixel_bytes;
        if (taps++ == 0)
          std::memcpy(pixel, from, static_cast<std::size_t>(pixel_bytes));
        else if (average)
          kernels().sum(reinterpret_cast<const float*>(from), channels, reinterpret_cast<float*>(pixel));
        else
          take_max(from, channels, pixel);
      }
    float* sums = reinterpret_cast<float*>(pixel);
    if (taps == 0)
      std::memset(pixel, 0, static_cast<std::size_t>(pixel_bytes));
    else if (average)
      kernels().scale(sums, channels, 1.0f / static_cast<float>(taps), sums);
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
      return step.from == Storage::f32 && step.to != Storage::f32;
    case StepKind::max_pool:
      return step.from == step.to;
    default:
      return floats;
  }
}

StepNumbers plain_numbers(const Step& step) {
  StepNumbers numbers;
  numbers.scale = 1.0f / 64;
  numbers.range = integer_range(8, step.to == Storage::s8);
  for (int c = 0; c < step.output.channels; ++c) {
    numbers.multiplier.push_back(1.0f + 0.01f * static_cast<float>(c % 7));
    numbers.bias.push_back(0.1f * static_cast<float>(c % 5) - 0.2f);
  }
  return numbers;
}

std::unique_ptr<PreparedStep> prepare_step(const Step& step, int batch, const StepNumbers& numbers) {
  base::require(step_kernel_serves(step), "no kernel serves this step");
  base::require(batch >= 1, "a step needs at least one image");
  const std::int64_t n = step.output.elements() * batch;
  const std::size_t channels = static_cast<std::size_t>(step.output.channels);
  switch (step.kind) {
    case StepKind::quantize:
      return std::make_unique<Quantize>(n, step.to, numbers);
    case StepKind::relu:
      return std::make_unique<Relu>(n, numbers.high);
    case StepKind::add:
      return std::make_unique<Add>(n, step.fused_relu ? 0 : -kInfinity,
                                   step.fused_relu ? numbers.high : kInfinity);
    case StepKind::batch_norm:
      base::require(numbers.multiplier.size() == channels && numbers.bias.size() == channels,
                    "a batch norm has one multiplier and one bias per channel");
      return std::make_unique<BatchNorm>(n / step.output.channels, step.output.channels, numbers);
    default:
      return std::make_unique<Pool>(step, batch);
  }
}

}  // namespace bitsmith::quant
