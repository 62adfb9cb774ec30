#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/quantize.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Which scale an element has: one for all, one for each index on an axis, or one for each block of an axis.
class ScaleMap {
 public:
  ScaleMap(const OperatorCall& call, const Dims& x, const Dims& scale) {
    const std::int64_t block = call.node.integer("block_size", 0);
    if (block == 0 && (scale.empty() || scale == Dims{1})) return;
    const std::size_t axis = axis_of(call.node.integer("axis", 1), x.size());
    extent_ = static_cast<std::size_t>(x[axis]);
    inner_ = static_cast<std::size_t>(extent_of(x, axis + 1, x.size()));
    if (block == 0) {
      if (scale != Dims{x[axis]})
        fail(fmt::format("a scale of {} does not fit axis {} of {}", show(scale), axis, show(x)));
      kind_ = Kind::axis;
      return;
    }
    if (block < 1) fail(fmt::format("block_size is {}", block));
    Dims expected = x;
    expected[axis] = x[axis] == 0 ? 0 : (x[axis] - 1) / block + 1;
    if (scale != expected)
      fail(fmt::format("a scale of {} does not fit blocks of {} of {}, {} is needed", show(scale), block,
                       show(x), show(expected)));
    kind_ = Kind::blocks;
    block_ = static_cast<std::size_t>(block);
    blocks_ = static_cast<std::size_t>(expected[axis]);
  }

  std::size_t operator()(std::size_t i) const {
    if (kind_ == Kind::tensor) return 0;
    const std::size_t along = i / inner_ % extent_;
    if (kind_ == Kind::axis) return along;
    return (i / inner_ / extent_ * blocks_ + along / block_) * inner_ + i % inner_;
  }

 private:
  enum class Kind { tensor, axis, blocks };
  Kind kind_ = Kind::tensor;
  std::size_t extent_ = 1, inner_ = 1, block_ = 1, blocks_ = 1;
};

std::vector<double> scales_of(const Tensor& scale) {
  std::vector<double> scales = reals_of(scale, "its scale");
  for (const double value : scales)
    if (!(value > 0) || std::isinf(value))
      fail(fmt::format("a scale is {}: it must be a finite number above 0", value));
  return scales;
}

std::vector<double> zero_points(const Tensor* tensor, const Tensor& scale) {
  if (!tensor) return std::vector<double>(static_cast<std::size_t>(scale.elements()), 0.0);
  if (tensor->elements() != scale.elements())
    fail(fmt::format("its zero point is {}, its scale {}", show(tensor->dims), show(scale.dims)));
  return to_doubles(*tensor);
}

// The quotient in float32, like ONNX Runtime: what rounds to which integer depends on it.
void quantize_linear(const OperatorCall& call) {
  expect_inputs(call, 2, 3);
  const Tensor &x = input(call, 0), &scale = input(call, 1);
  const Tensor* zero = optional_input(call, 2);
  if (x.type != ElementType::int32 && !is_float(x.type)) fail_of_type(x.type);
  const auto told = call.node.integer("output_dtype", 0);
  ElementType type = zero ? zero->type : ElementType::uint8;
  if (told != 0) {
    if (zero && static_cast<std::int64_t>(zero->type) != told)
      fail(fmt::format("output_dtype {} is not the type of its zero point", told));
    if (told < 0 || told > 64) fail(fmt::format("output_dtype is {}", told));
    type = static_cast<ElementType>(told);
  }
  const auto [low, high] = integer_range(type);
  const ScaleMap place(call, x.dims, scale.dims);
  const std::vector<double> scales = scales_of(scale), zeros = zero_points(zero, scale);
  std::vector<double> values = to_doubles(x);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t s = place(i);
    const float quotient = static_cast<float>(values[i]) / static_cast<float>(scales[s]);
    values[i] = std::clamp(static_cast<double>(std::nearbyint(quotient)) + zeros[s], low, high);
  }
  from_doubles(values, make_output(call, 0, type, x.dims));
}

void dequantize_linear(const OperatorCall& call) {
  expect_inputs(call, 2, 3);
  const Tensor &x = input(call, 0), &scale = input(call, 1);
  const Tensor* zero = optional_input(call, 2);
  if (x.type != ElementType::int32) integer_range(x.type);
  if (zero) expect_same_type(x, *zero);
  const ScaleMap place(call, x.dims, scale.dims);
  const std::vector<double> scales = scales_of(scale), zeros = zero_points(zero, scale);
  std::vector<double> values = to_doubles(x);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t s = place(i);
    values[i] = static_cast<float>(values[i] - zeros[s]) * static_cast<float>(scales[s]);
  }
  from_doubles(values, make_output(call, 0, scale.type, x.dims));
}

// To uint8, over the range of x and 0, in float32.
void dynamic_quantize_linear(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  expect_type(x, ElementType::float32, "its input");
  float least = 0, most = 0;
  for (const float value : x.as<float>()) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  const float scale = most == least ? 1 : (most - least) / 255;
  const float zero = std::nearbyint(std::clamp(-least / scale, 0.0F, 255.0F));
  const auto to = make_output(call, 0, ElementType::uint8, x.dims).as<std::uint8_t>();
  const auto from = x.as<float>();
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = cast_value<std::uint8_t>(std::clamp(std::nearbyint(from[i] / scale) + zero, 0.0F, 255.0F));
  if (wants_output(call, 1)) make_output(call, 1, ElementType::float32, {}).as<float>()[0] = scale;
  if (wants_output(call, 2))
    make_output(call, 2, ElementType::uint8, {}).as<std::uint8_t>()[0] = cast_value<std::uint8_t>(zero);
}

constexpr OperatorRow kRows[] = {
    {"DequantizeLinear", dequantize_linear},
    {"DynamicQuantizeLinear", dynamic_quantize_linear},
    {"QuantizeLinear", quantize_linear},
};

}  // namespace

std::span<const OperatorRow> quantization_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
