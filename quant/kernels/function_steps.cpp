#include <algorithm>
#include <cstddef>
#include <vector>

#include "quant/kernels/function_kernels.hpp"
#include "quant/kernels/image_steps.hpp"
#include "quant/kernels/kernel_table.hpp"
#include "quant/kernels/put.hpp"

namespace bitsmith::quant {
namespace {

/// Some whole pixels at a time, so that what is to be quantized stays in the L1 cache.
struct FunctionStep final : PreparedStep {
  static constexpr std::int64_t kChunk = 2048;  // floats, or one pixel where it has more channels
  Step step;
  StepNumbers numbers;
  std::int64_t images, pixels, at_once;
  int channels;
  bool gated;  ///< multiply: by one value for each channel
  std::vector<float> room;

  FunctionStep(const Step& given, int batch, const StepNumbers& of)
      : step(given),
        numbers(of),
        images(batch),
        pixels(given.output.pixels()),
        at_once(std::max<std::int64_t>(1, kChunk / given.output.channels)),
        channels(given.output.channels),
        gated(given.kind == StepKind::multiply && given.second_input != given.input) {
    if (step.to != Storage::f32) room.resize(static_cast<std::size_t>(at_once * channels));
  }

  void run(const void* in, const void* second, void* out) override {
    const auto* x = static_cast<const float*>(in);
    const auto* other = static_cast<const float*>(second);
    auto* y = static_cast<std::byte*>(out);
    for (std::int64_t image = 0; image < images; ++image) {
      const float* gates = other == nullptr ? nullptr : other + image * step.second_input.elements();
      for (std::int64_t pixel = 0; pixel < pixels; pixel += at_once) {
        const std::int64_t count = std::min(at_once, pixels - pixel), values = count * channels;
        float* made = step.to == Storage::f32 ? reinterpret_cast<float*>(y) : room.data();
        compute(x, gated ? gates : gates + pixel * channels, count, made);
        put(made, values, step.to, numbers, y);
        x += values;
        y += values * storage_bytes(step.to);
      }
    }
  }

 private:
  void compute(const float* x, const float* other, std::int64_t count, float* y) const {
    const FunctionKernels& k = function_kernels();
    if (step.kind == StepKind::function)
      k.forward(step.function, numbers.alpha, numbers.beta, x, count * channels, y);
    else if (step.kind == StepKind::prelu)
      k.prelu(x, numbers.multiplier.data(), count, channels, y);
    else if (gated)
      k.gate(x, other, count, channels, y);
    else
      k.multiply(x, other, count * channels, y);
  }
};

}  // namespace

bool is_function_step(StepKind kind) {
  return kind == StepKind::function || kind == StepKind::prelu || kind == StepKind::multiply;
}

std::unique_ptr<PreparedStep> prepare_function_step(const Step& step, int batch, const StepNumbers& numbers) {
  return std::make_unique<FunctionStep>(step, batch, numbers);
}

}  // namespace bitsmith::quant
