#include "trainer/onnx/operators/convolve.hpp"

#include <fmt/format.h>

#include "quant/base/parallel.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Adds one channel's part to one output plane.
void add_channel(const std::vector<WindowAxis>& axes, const double* x, const double* w, double* y) {
  const WindowAxis &depth = axes[0], &height = axes[1], &width = axes[2];
  for (std::int64_t od = 0; od < depth.output; ++od)
    for (std::int64_t kd = depth.begin(od); kd < depth.end(od); ++kd)
      for (std::int64_t oh = 0; oh < height.output; ++oh)
        for (std::int64_t kh = height.begin(oh); kh < height.end(oh); ++kh) {
          const std::int64_t id = depth.first(od) + kd * depth.dilation;
          const std::int64_t ih = height.first(oh) + kh * height.dilation;
          const double* row = x + (id * height.input + ih) * width.input;
          const double* taps = w + (kd * height.kernel + kh) * width.kernel;
          double* to = y + (od * height.output + oh) * width.output;
          for (std::int64_t kw = 0; kw < width.kernel; ++kw) {
            // Outputs whose tap kw lies inside the row.
            const std::int64_t shift = kw * width.dilation - width.pad;
            const std::int64_t begin = shift >= 0 ? 0 : (-shift - 1) / width.stride + 1;
            const std::int64_t room = width.input - shift;
            const std::int64_t end = std::min(width.output, room <= 0 ? 0 : (room - 1) / width.stride + 1);
            const double tap = taps[kw];
            if (width.stride == 1) {
              for (std::int64_t ow = begin; ow < end; ++ow) to[ow] += tap * row[ow + shift];
            } else {
              for (std::int64_t ow = begin; ow < end; ++ow) to[ow] += tap * row[ow * width.stride + shift];
            }
          }
        }
}

}  // namespace

Convolution convolution_of(const OperatorCall& call, const Dims& x, const Dims& w) {
  if (x.size() < 3 || x.size() > 5)
    fail(fmt::format("its input is {}: 1 to 3 spatial axes are supported", show(x)));
  if (w.size() != x.size())
    fail(fmt::format("its weight is {}, its input {}: both need as many axes", show(w), show(x)));
  Convolution convolution;
  convolution.batch = x[0];
  convolution.channels = x[1];
  convolution.outputs = w[0];
  convolution.groups = call.node.integer("group", 1);
  const std::int64_t groups = convolution.groups;
  if (groups < 1 || groups > std::max<std::int64_t>(x[1], 1) || x[1] % groups != 0 || w[0] % groups != 0)
    fail(fmt::format("{} groups divide {} channels and {} outputs badly", groups, x[1], w[0]));
  if (w[1] != x[1] / groups)
    fail(fmt::format("its weight is {}: it takes {} channels, the input has {} for each of {} groups",
                     show(w), w[1], x[1] / groups, groups));
  const Dims kernel(w.begin() + 2, w.end());
  if (call.node.integers("kernel_shape", kernel) != kernel)
    fail(fmt::format("kernel_shape is {}, its weight {}", show(call.node.integers("kernel_shape", {})),
                     show(w)));
  const auto axes = windows_of(call, Dims(x.begin() + 2, x.end()), kernel, false);
  convolution.result = {x[0], w[0]};
  for (const WindowAxis& axis : axes) convolution.result.push_back(axis.output);
  convolution.axes = as_three(axes);
  const auto outputs = count_elements(convolution.result, call.most_elements);
  if (!outputs) fail(fmt::format("its output would be {}", show(convolution.result)));
  check_work(call, {*outputs, w[1], extent_of(kernel, 0, kernel.size())});
  return convolution;
}

std::vector<double> convolve(const Convolution& convolution, std::span<const double> x,
                             std::span<const double> w) {
  const auto& axes = convolution.axes;
  const std::int64_t plane_x = axes[0].input * axes[1].input * axes[2].input;
  const std::int64_t plane_w = axes[0].kernel * axes[1].kernel * axes[2].kernel;
  const std::int64_t plane_y = axes[0].output * axes[1].output * axes[2].output;
  const std::int64_t group_channels = convolution.channels / convolution.groups;
  const std::int64_t group_outputs = convolution.outputs / convolution.groups;
  std::vector<double> y(static_cast<std::size_t>(convolution.batch * convolution.outputs * plane_y), 0.0);
  if (y.empty()) return y;
  for (std::int64_t n = 0; n < convolution.batch; ++n)
    base::parallel_for(static_cast<int>(convolution.outputs), [&](int m) {
      const std::int64_t group = m / group_outputs;
      const double* from = x.data() + (n * convolution.channels + group * group_channels) * plane_x;
      const double* weights = w.data() + m * group_channels * plane_w;
      double* to = y.data() + (n * convolution.outputs + m) * plane_y;
      for (std::int64_t c = 0; c < group_channels; ++c)
        add_channel(axes, from + c * plane_x, weights + c * plane_w, to);
    });
  return y;
}

}  // namespace bitsmith::trainer::onnx
