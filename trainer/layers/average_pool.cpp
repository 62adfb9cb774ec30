#include "trainer/layers/average_pool.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/layers/window_range.hpp"

namespace bitsmith::trainer {

AveragePool::AveragePool(const LayerArguments& arguments)
    : window_(arguments.node.window),
      counts_padding_(arguments.node.counts_padding),
      input_(arguments.input()),
      output_(arguments.node.output) {
  for (int h = 0; h < output_.height; ++h)
    for (int w = 0; w < output_.width; ++w)
      if (window_rows(window_, h, input_.height).count == 0 ||
          window_columns(window_, w, input_.width).count == 0)
        throw base::UserError(
            fmt::format("{}: the window of output {},{} lies in the padding entirely: pad less",
                        arguments.node.name, h, w));
}

void AveragePool::forward(const ForwardPart& part) {
  const int channels = input_.channels;
  float* y = part.y;
  for (int n = 0; n < part.samples; ++n) {
    const float* image = part.x[0] + n * input_.elements();
    for (int h = 0; h < output_.height; ++h)
      for (int w = 0; w < output_.width; ++w, y += channels) {
        const WindowRange rows = window_rows(window_, h, input_.height);
        const WindowRange columns = window_columns(window_, w, input_.width);
        std::fill_n(y, channels, 0.0f);
        for (int i = 0; i < rows.count; ++i)
          for (int j = 0; j < columns.count; ++j) {
            const int pixel = (rows.first + i * rows.step) * input_.width + columns.first + j * columns.step;
            const float* x = image + std::int64_t{pixel} * channels;
            for (int c = 0; c < channels; ++c) y[c] += x[c];
          }
        const int counted =
            counts_padding_ ? window_.kernel_h * window_.kernel_w : rows.count * columns.count;
        const float share = 1.0f / static_cast<float>(counted);
        for (int c = 0; c < channels; ++c) y[c] *= share;
      }
  }
}

void AveragePool::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  const int channels = input_.channels;
  std::fill_n(part.dx[0], part.samples * input_.elements(), 0.0f);
  const float* dy = part.dy;
  for (int n = 0; n < part.samples; ++n) {
    float* image = part.dx[0] + n * input_.elements();
    for (int h = 0; h < output_.height; ++h)
      for (int w = 0; w < output_.width; ++w, dy += channels) {
        const WindowRange rows = window_rows(window_, h, input_.height);
        const WindowRange columns = window_columns(window_, w, input_.width);
        const int counted =
            counts_padding_ ? window_.kernel_h * window_.kernel_w : rows.count * columns.count;
        const float share = 1.0f / static_cast<float>(counted);
        for (int i = 0; i < rows.count; ++i)
          for (int j = 0; j < columns.count; ++j) {
            const int pixel = (rows.first + i * rows.step) * input_.width + columns.first + j * columns.step;
            float* dx = image + std::int64_t{pixel} * channels;
            for (int c = 0; c < channels; ++c) dx[c] += dy[c] * share;
          }
      }
  }
}

}  // namespace bitsmith::trainer
