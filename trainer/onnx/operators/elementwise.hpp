#pragma once

#include <cstdint>
#include <type_traits>

#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

/// Operators that treat each element alike.
namespace bitsmith::trainer::onnx {

/// y = f(x), computed in double.
template <typename F>
void map_floats(const OperatorCall& call, F f) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(f(static_cast<double>(from[i])));
  });
}

/// y = f(x) in the type of x, floats and integers.
template <typename F>
void map_numbers(const OperatorCall& call, F f) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  visit_numbers(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(f(from[i]));
  });
}

/// z = f(x, y) with elements of type Result, x and y of type T broadcast to each other.
template <typename T, typename Result, typename F>
void zip(const OperatorCall& call, ElementType result, F f) {
  const Tensor &x = input(call, 0), &y = input(call, 1);
  expect_same_type(x, y);
  const Dims dims = broadcast_dims(x.dims, y.dims);
  const auto to = make_output(call, 0, result, dims).template as<Result>();
  const Strides strides_x = broadcast_strides(x.dims, dims), strides_y = broadcast_strides(y.dims, dims);
  const auto from_x = x.as<T>(), from_y = y.as<T>();
  walk<2>(dims, {&strides_x, &strides_y}, [&](std::size_t i, const auto& at) {
    to[i] = f(from_x[static_cast<std::size_t>(at[0])], from_y[static_cast<std::size_t>(at[1])]);
  });
}

/// Integers wrap around, as they do on every machine that runs the networks.
template <typename T>
T plus(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a + b;
  return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
template <typename T>
T minus(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a - b;
  return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
template <typename T>
T times(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a * b;
  return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

}  // namespace bitsmith::trainer::onnx
