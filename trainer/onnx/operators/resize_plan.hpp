#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/onnx/operators/call.hpp"

namespace bitsmith::trainer::onnx {

/// How one axis is resized.
struct ResizeAxis {
  std::int64_t input = 1, output = 1;
  float scale = 1;
  float roi_begin = 0, roi_end = 1;  ///< of the input's extent, for tf_crop_and_resize
};

struct ResizePlan {
  std::vector<ResizeAxis> axes;
  std::string mode;         ///< nearest, linear, cubic
  std::string coordinates;  ///< coordinate_transformation_mode
  std::string nearest;      ///< nearest_mode, or "simple": downwards, upwards where it shrinks (opset 10)
  bool excludes_outside = false;
  double cubic_a = -0.75;
  double extrapolation = 0;

  /// Where output `o` lies on the input's axis. In float32, like ONNX Runtime: what is nearest depends on it.
  float place(const ResizeAxis& axis, std::int64_t o) const;
  /// The input that is nearest to output `o`.
  std::int64_t nearest_index(const ResizeAxis& axis, std::int64_t o) const;
  /// tf_crop_and_resize: whether output `o` lies outside of the input, where a constant is given.
  bool is_outside(const ResizeAxis& axis, std::int64_t o) const;
};

/// From Resize (opsets 10 to 21) and Upsample (opset 9). Refuses what does not fit, and antialiasing.
ResizePlan resize_plan(const OperatorCall& call);

}  // namespace bitsmith::trainer::onnx
