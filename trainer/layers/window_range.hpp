#pragma once

#include <algorithm>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// The part of a pooling window that lies on the image, along one axis: `count` positions from `first` on,
/// `step` apart.
struct WindowRange {
  int first = 0, count = 0, step = 1;
};

/// The window of output position `out`; `extent` is the size of the image along the axis.
inline WindowRange window_range(int out, int stride, int pad, int dilation, int kernel, int extent) {
  const int start = out * stride - pad;
  const int skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const int first = start + skipped * dilation;
  const int fitting = first < extent ? (extent - 1 - first) / dilation + 1 : 0;
  return {first, std::max(0, std::min(kernel - skipped, fitting)), dilation};
}

inline WindowRange window_rows(const quant::Window& w, int out, int height) {
  return window_range(out, w.stride_h, w.pad_top, w.dilation_h, w.kernel_h, height);
}
inline WindowRange window_columns(const quant::Window& w, int out, int width) {
  return window_range(out, w.stride_w, w.pad_left, w.dilation_w, w.kernel_w, width);
}

}  // namespace bitsmith::trainer
