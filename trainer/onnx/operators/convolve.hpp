#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trainer/onnx/operators/call.hpp"
#include "trainer/onnx/operators/windows.hpp"

namespace bitsmith::trainer::onnx {

/// y[n, m, o] = sum over c, k of w[m, c, k] x[n, g c, o * stride + k * dilation - pad], for groups g.
/// Sums in double, in the order of c, then k: exact for integers of 8 bits.
struct Convolution {
  std::int64_t batch = 0, groups = 1, channels = 0, outputs = 0;  ///< channels and outputs of all groups
  std::vector<WindowAxis> axes;                                   ///< three
  Dims result;
};

/// From dims N x C x spatial (1 to 3 axes) and M x C/groups x kernel, and attributes. Refuses those that do
/// not fit, and more work than the call allows.
Convolution convolution_of(const OperatorCall& call, const Dims& x, const Dims& w);

std::vector<double> convolve(const Convolution& convolution, std::span<const double> x,
                             std::span<const double> w);

}  // namespace bitsmith::trainer::onnx
