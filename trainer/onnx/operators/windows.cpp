#include "trainer/onnx/operators/windows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bitsmith::trainer::onnx {
namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return a <= 0 ? 0 : (a - 1) / b + 1; }

/// An attribute with a value for each axis.
Dims per_axis(const OperatorCall& call, std::string_view name, std::size_t count, std::int64_t otherwise) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30;  // keeps what is computed of it within 64 bits
  Dims values = call.node.integers(name, Dims(count, otherwise));
  if (values.size() != count)
    fail(fmt::format("attribute {} has {} values, {} are needed", name, values.size(), count));
  for (const std::int64_t value : values)
    if (value < otherwise || value > kMost)
      fail(fmt::format("attribute {} is {}; {} to {} are allowed", name, value, otherwise, kMost));
  return values;
}

}  // namespace

std::int64_t WindowAxis::begin(std::int64_t o) const {
  return std::min(kernel, divide_up(-first(o), dilation));
}

std::int64_t WindowAxis::end(std::int64_t o) const {
  return std::clamp(divide_up(input - first(o), dilation), begin(o), kernel);
}

std::vector<WindowAxis> windows_of(const OperatorCall& call, const Dims& spatial, const Dims& kernel,
                                   bool ceil_mode) {
  const std::size_t count = spatial.size();
  const std::string auto_pad =
      word(call, "auto_pad", "NOTSET", {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"});
  const Dims strides = per_axis(call, "strides", count, 1), dilations = per_axis(call, "dilations", count, 1);
  const Dims pads = auto_pad == "NOTSET" ? per_axis(call, "pads", 2 * count, 0) : Dims(2 * count, 0);
  std::vector<WindowAxis> axes;
  for (std::size_t a = 0; a < count; ++a) {
    WindowAxis axis{spatial[a], kernel[a], strides[a], dilations[a], pads[a], pads[a + count], 0};
    if (axis.kernel < 1 || axis.kernel > kMostElements)
      fail(fmt::format("its window is {}: extents must be positive", show(kernel)));
    const std::int64_t reach = (axis.kernel - 1) * axis.dilation + 1;
    if (auto_pad.starts_with("SAME")) {
      axis.output = divide_up(axis.input, axis.stride);
      const std::int64_t total =
          std::max<std::int64_t>(0, (axis.output - 1) * axis.stride + reach - axis.input);
      axis.pad = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      axis.pad_end = total - axis.pad;
    } else {
      const std::int64_t room = axis.input + axis.pad + axis.pad_end - reach;
      if (room < 0)
        fail(
            fmt::format("its window reaches over {} elements, the padded input has {}", reach, room + reach));
      axis.output = (ceil_mode ? divide_up(room, axis.stride) : room / axis.stride) + 1;
      if (ceil_mode && axis.output > 1 && (axis.output - 1) * axis.stride >= axis.input + axis.pad)
        --axis.output;
    }
    axes.push_back(axis);
  }
  return axes;
}

std::vector<WindowAxis> as_three(std::vector<WindowAxis> axes) {
  while (axes.size() < 3) axes.insert(axes.begin(), WindowAxis{});
  return axes;
}

}  // namespace bitsmith::trainer::onnx
