#include "trainer/layers/max_pool.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quant/base/error.hpp"
#include "trainer/layers/window_range.hpp"

namespace bitsmith::trainer {

MaxPool::MaxPool(const LayerArguments& arguments)
    : window_(arguments.node.window), input_(arguments.input()), output_(arguments.node.output) {
  for (int h = 0; h < output_.height; ++h)
    for (int w = 0; w < output_.width; ++w)
      if (window_rows(window_, h, input_.height).count == 0 ||
          window_columns(window_, w, input_.width).count == 0)
        throw base::UserError(
            fmt::format("{}: the window of output {},{} lies in the padding entirely: pad less",
                        arguments.node.name, h, w));
}

void MaxPool::reserve(int parts, std::span<const int> samples, bool backward) {
  if (!backward) return;
  const std::int64_t most = std::ranges::max(samples) * output_.elements();
  if (winners_.size() < static_cast<std::size_t>(parts)) winners_.resize(static_cast<std::size_t>(parts));
  for (auto& part : winners_)
    if (part.size() < static_cast<std::size_t>(most)) part.resize(static_cast<std::size_t>(most));
}

void MaxPool::forward(const ForwardPart& part) {
  const int channels = input_.channels;
  int* const winners =
      part.mode == Mode::train ? winners_[static_cast<std::size_t>(part.part)].data() : nullptr;
  std::int64_t out = 0;
  for (int n = 0; n < part.samples; ++n) {
    const float* image = part.x[0] + n * input_.elements();
    for (int h = 0; h < output_.height; ++h)
      for (int w = 0; w < output_.width; ++w, out += channels) {
        const WindowRange rows = window_rows(window_, h, input_.height);
        const WindowRange columns = window_columns(window_, w, input_.width);
        bool first = true;
        for (int i = 0; i < rows.count; ++i)
          for (int j = 0; j < columns.count; ++j) {
            const int pixel = (rows.first + i * rows.step) * input_.width + columns.first + j * columns.step;
            const float* x = image + std::int64_t{pixel} * channels;
            float* y = part.y + out;
            for (int c = 0; c < channels; ++c) {
              // NaN wins over numbers, so that it is seen at the loss.
              const bool better = first || x[c] > y[c] || (x[c] != x[c] && y[c] == y[c]);
              if (!better) continue;
              y[c] = x[c];
              if (winners != nullptr) winners[out + c] = pixel * channels + c;
            }
            first = false;
          }
      }
  }
}

void MaxPool::backward(const BackwardPart& part) {
  if (part.dx[0] == nullptr) return;
  const int* winner = winners_[static_cast<std::size_t>(part.part)].data();
  const float* dy = part.dy;
  for (int n = 0; n < part.samples; ++n) {
    float* dx = part.dx[0] + n * input_.elements();
    std::fill_n(dx, input_.elements(), 0.0f);
    for (std::int64_t i = 0; i < output_.elements(); ++i) dx[*winner++] += *dy++;
  }
}

}  // namespace bitsmith::trainer
