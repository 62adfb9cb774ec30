#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "trainer/onnx/operators/call.hpp"

/// What quantizing and integer operators share.
namespace bitsmith::trainer::onnx {

/// The integers of an 8-bit tensor less their zero point (nullptr: 0), which is one value or, with an axis,
/// may be one for each index on it.
std::vector<double> without_zero_point(const Tensor& tensor, const Tensor* zero_point,
                                       std::optional<std::size_t> axis);

/// Sums of products as int32, wrapping around.
void to_wrapped_int32(std::span<const double> sums, Tensor& result);

/// Rounded to the nearest integer, ties to even, plus the zero point (one value), saturated to the type of
/// `result`: 4, 8 or 16 bits.
void write_quantized(std::span<const double> values, const Tensor& zero_point, Tensor& result);

/// The least and the largest integer of a type of 4, 8 or 16 bits; refuses others.
struct IntegerRange {
  double low, high;
};
IntegerRange integer_range(ElementType type);

}  // namespace bitsmith::trainer::onnx
