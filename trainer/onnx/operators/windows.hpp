#pragma once

#include <cstdint>
#include <vector>

#include "trainer/onnx/operators/call.hpp"

/// Where the windows of convolutions and pools lie: one axis after the other.
namespace bitsmith::trainer::onnx {

/// A window's element k, of output o, is input element o * stride + k * dilation - pad.
struct WindowAxis {
  std::int64_t input = 1;
  std::int64_t kernel = 1, stride = 1, dilation = 1;
  std::int64_t pad = 0;      ///< before the first element
  std::int64_t pad_end = 0;  ///< after the last
  std::int64_t output = 1;

  std::int64_t first(std::int64_t o) const { return o * stride - pad; }
  /// The elements of window o that lie inside the input: [begin, end).
  std::int64_t begin(std::int64_t o) const;
  std::int64_t end(std::int64_t o) const;
};

/// From strides, pads, dilations and auto_pad; `spatial` are the extents of the input, `kernel` those of the
/// window. Refuses attributes of another number of axes, or out of range, and windows larger than the padded
/// input. With `ceil_mode` a last window that is not full counts, unless it begins in the padding at the end.
std::vector<WindowAxis> windows_of(const OperatorCall& call, const Dims& spatial, const Dims& kernel,
                                   bool ceil_mode);

/// Three axes, of extent 1 before those that there are: loops are written once.
std::vector<WindowAxis> as_three(std::vector<WindowAxis> axes);

}  // namespace bitsmith::trainer::onnx
