#include "quant/kernels/image_rows.hpp"

#include <algorithm>
#include <cstring>

namespace bitsmith::quant {

RowGeometry::RowGeometry(const LayerInfo& layer, int images)
    : input(layer.input), output(layer.output), window(layer.window), groups(layer.groups), batch(images) {
  if (layer.kind != LayerKind::linear) return;
  input = {static_cast<int>(layer.input.elements()), 1, 1};
  window = Window{};
  groups = 1;
}

bool RowGeometry::rows_are_input() const { return groups == 1 && window == Window{}; }

std::vector<std::int8_t> RowGeometry::group_matrix(const std::vector<std::int8_t>& weights, int group) const {
  std::vector<std::int8_t> matrix(static_cast<std::size_t>(outputs() * depth()));
  const std::int64_t taps = std::int64_t{window.kernel_h} * window.kernel_w;
  const std::int8_t* from = weights.data() + std::int64_t{group} * outputs() * depth();
  for (std::int64_t o = 0; o < outputs(); ++o)
    for (std::int64_t i = 0; i < inputs(); ++i)
      for (std::int64_t tap = 0; tap < taps; ++tap)
        matrix[static_cast<std::size_t>(o * depth() + tap * inputs() + i)] = *from++;
  return matrix;
}

void gather_rows(const RowGeometry& geometry, int group, std::int64_t first, std::int64_t count,
                 const void* input, int input_bytes, int row_bytes_each, int zero, LoadRun load,
                 std::int64_t stride, void* rows) {
  const Window& w = geometry.window;
  const int channels = geometry.inputs(), all_channels = geometry.input.channels;
  const std::int64_t tap_bytes = std::int64_t{channels} * row_bytes_each;
  // Neighbouring taps are neighbours in memory, too, and are copied at once.
  const bool joined = geometry.groups == 1 && w.dilation_w == 1;
  const auto* image_bytes = static_cast<const std::uint8_t*>(input);
  auto* row = static_cast<std::uint8_t*>(rows);
  const std::int64_t area = std::int64_t{geometry.output.height} * geometry.output.width;
  for (std::int64_t pixel = first; pixel < first + count; ++pixel, row += stride) {
    const std::int64_t n = pixel / area;
    const int y = static_cast<int>(pixel % area / geometry.output.width);
    const int x = static_cast<int>(pixel % geometry.output.width);
    const int left = x * w.stride_w - w.pad_left;
    std::uint8_t* at = row;
    for (int ky = 0; ky < w.kernel_h; ++ky) {
      const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
      const bool inside = iy >= 0 && iy < geometry.input.height;
      const std::uint8_t* line =
          image_bytes +
          (((n * geometry.input.height + (inside ? iy : 0)) * geometry.input.width) * all_channels +
           std::int64_t{group} * channels) *
              input_bytes;
      for (int kx = 0; kx < w.kernel_w;) {
        const int ix = left + kx * w.dilation_w;
        int taps = 1;
        if (!inside || ix < 0 || ix >= geometry.input.width) {
          std::memset(at, zero, static_cast<std::size_t>(tap_bytes));
        } else {
          if (joined) taps = std::min(w.kernel_w - kx, geometry.input.width - ix);
          load(line + std::int64_t{ix} * all_channels * input_bytes, std::int64_t{taps} * channels, at);
        }
        at += taps * tap_bytes;
        kx += taps;
      }
    }
  }
}

}  // namespace bitsmith::quant
