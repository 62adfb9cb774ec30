#include <algorithm>
#include <cstddef>
#include <cstring>

#include "quant/kernels/image_steps.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/put.hpp"

namespace bitsmith::quant {
namespace {

struct Concat final : PreparedStep {
  std::int64_t pixels;
  int first, second;
  Storage to;
  StepNumbers numbers;
  Concat(const Step& step, int batch, const StepNumbers& of)
      : pixels(step.output.pixels() * batch),
        first(step.input.channels),
        second(step.second_input.channels),
        to(step.to),
        numbers(of) {}
  void run(const void* in, const void* other, void* out) override {
    const auto *a = static_cast<const float*>(in), *b = static_cast<const float*>(other);
    auto* y = static_cast<std::byte*>(out);
    for (std::int64_t p = 0; p < pixels; ++p, a += first, b += second) {
      put(a, first, to, numbers, y);
      y += first * storage_bytes(to);
      put(b, second, to, numbers, y);
      y += second * storage_bytes(to);
    }
  }
};

/// slice: a run of each pixel's channels.
struct Slice final : PreparedStep {
  std::int64_t pixels, distance, bytes, skipped;
  Slice(const Step& step, int batch)
      : pixels(step.output.pixels() * batch),
        distance(step.input.channels * storage_bytes(step.from)),
        bytes(step.output.channels * storage_bytes(step.from)),
        skipped(step.begin * storage_bytes(step.from)) {}
  void run(const void* in, const void*, void* out) override {
    const auto* x = static_cast<const std::byte*>(in) + skipped;
    auto* y = static_cast<std::byte*>(out);
    for (std::int64_t p = 0; p < pixels; ++p, x += distance, y += bytes)
      std::memcpy(y, x, static_cast<std::size_t>(bytes));
  }
};

struct Shuffle final : PreparedStep {
  std::int64_t pixels;
  int groups, run_length;
  bool bytes;
  Shuffle(const Step& step, int batch)
      : pixels(step.output.pixels() * batch),
        groups(step.groups),
        run_length(step.output.channels / step.groups),
        bytes(step.from != Storage::f32) {}
  void run(const void* in, const void*, void* out) override {
    if (bytes)
      move(static_cast<const std::uint8_t*>(in), static_cast<std::uint8_t*>(out));
    else
      move(static_cast<const float*>(in), static_cast<float*>(out));
  }

 private:
  template <typename T>
  void move(const T* x, T* y) const {
    const std::int64_t channels = std::int64_t{groups} * run_length;
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels)
      for (int g = 0; g < groups; ++g)
        for (int c = 0; c < run_length; ++c)
          y[std::int64_t{c} * groups + g] = x[std::int64_t{g} * run_length + c];
  }
};

struct Pad final : PreparedStep {
  Step step;
  int batch;
  float value;
  Pad(const Step& given, int images, float with) : step(given), batch(images), value(with) {}
  void run(const void* in, const void*, void* out) override {
    const std::int64_t size = storage_bytes(step.from);
    const std::int64_t row = step.input.width * step.input.channels * size;
    const std::int64_t wide = step.output.width * step.output.channels * size;
    const auto* x = static_cast<const std::byte*>(in);
    auto* y = static_cast<std::byte*>(out);
    fill(y, batch * step.output.elements());
    for (int n = 0; n < batch; ++n, y += step.output.height * wide)
      for (int h = 0; h < step.input.height; ++h, x += row)
        std::memcpy(y + (h + step.window.pad_top) * wide + step.window.pad_left * step.input.channels * size,
                    x, static_cast<std::size_t>(row));
  }

 private:
  void fill(std::byte* y, std::int64_t elements) const {
    if (step.from == Storage::f32)
      std::fill_n(reinterpret_cast<float*>(y), elements, value);
    else
      std::memset(y, 0, static_cast<std::size_t>(elements));
  }
};

struct Resize final : PreparedStep {
  Step step;
  int batch;
  Resize(const Step& given, int images) : step(given), batch(images) {}
  void run(const void* in, const void*, void* out) override {
    const std::int64_t pixel = step.input.channels * storage_bytes(step.from);
    const auto* x = static_cast<const std::byte*>(in);
    auto* y = static_cast<std::byte*>(out);
    for (int n = 0; n < batch; ++n, x += step.input.pixels() * pixel)
      for (int h = 0; h < step.output.height; ++h)
        for (int w = 0; w < step.output.width; ++w, y += pixel) {
          const std::int64_t from =
              std::int64_t{h / step.window.stride_h} * step.input.width + w / step.window.stride_w;
          std::memcpy(y, x + from * pixel, static_cast<std::size_t>(pixel));
        }
  }
};

}  // namespace

bool is_moving_step(StepKind kind) {
  return kind == StepKind::concat || kind == StepKind::slice || kind == StepKind::shuffle ||
         kind == StepKind::pad || kind == StepKind::resize;
}

int moved_channel(const Step& step, int c) {
  if (step.kind == StepKind::slice) return step.begin + c;
  if (step.kind != StepKind::shuffle) return c;
  return shuffled_from(c, step.output.channels, step.groups);
}

std::unique_ptr<PreparedStep> prepare_moving_step(const Step& step, int batch, const StepNumbers& numbers) {
  switch (step.kind) {
    case StepKind::slice:
      return std::make_unique<Slice>(step, batch);
    case StepKind::shuffle:
      return std::make_unique<Shuffle>(step, batch);
    case StepKind::pad:
      return std::make_unique<Pad>(step, batch, numbers.factor);
    case StepKind::resize:
      return std::make_unique<Resize>(step, batch);
    default:
      return std::make_unique<Concat>(step, batch, numbers);
  }
}

}  // namespace bitsmith::quant
