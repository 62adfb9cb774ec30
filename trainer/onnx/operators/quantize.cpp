#include "trainer/onnx/operators/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {

IntegerRange integer_range(ElementType type) {
  switch (type) {
    case ElementType::uint4:
      return {0, 15};
    case ElementType::int4:
      return {-8, 7};
    case ElementType::uint8:
      return {0, 255};
    case ElementType::int8:
      return {-128, 127};
    case ElementType::uint16:
      return {0, 65535};
    case ElementType::int16:
      return {-32768, 32767};
    default:
      fail_of_type(type);
  }
}

std::vector<double> without_zero_point(const Tensor& tensor, const Tensor* zero_point,
                                       std::optional<std::size_t> axis) {
  if (tensor.type != ElementType::uint8 && tensor.type != ElementType::int8) fail_of_type(tensor.type);
  std::vector<double> values = to_doubles(tensor);
  if (!zero_point) return values;
  expect_same_type(tensor, *zero_point);
  const std::vector<double> zeros = to_doubles(*zero_point);
  if (zeros.size() == 1) {
    for (double& value : values) value -= zeros[0];
    return values;
  }
  if (!axis || *axis >= tensor.dims.size() || zeros.size() != static_cast<std::size_t>(tensor.dims[*axis]))
    fail(fmt::format("a zero point of {} does not fit a tensor of {}", show(zero_point->dims),
                     show(tensor.dims)));
  const auto inner = static_cast<std::size_t>(extent_of(tensor.dims, *axis + 1, tensor.dims.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] -= zeros[i / inner % zeros.size()];
  return values;
}

void to_wrapped_int32(std::span<const double> sums, Tensor& result) {
  const auto to = result.as<std::int32_t>();
  for (std::size_t i = 0; i < sums.size(); ++i)
    to[i] = static_cast<std::int32_t>(cast_value<std::int64_t>(sums[i]));
}

void write_quantized(std::span<const double> values, const Tensor& zero_point, Tensor& result) {
  const auto [low, high] = integer_range(result.type);
  const std::vector<double> zeros = to_doubles(zero_point);
  if (zeros.size() != 1) fail(fmt::format("its zero point must be one value, not {}", show(zero_point.dims)));
  std::vector<double> integers(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    integers[i] = std::clamp(std::nearbyint(values[i]) + zeros[0], low, high);
  from_doubles(integers, result);
}

}  // namespace bitsmith::trainer::onnx
