#include <cmath>

#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"

namespace bitsmith::trainer::onnx {
namespace {

template <typename F>
void combine(const OperatorCall& call, F f) {
  expect_inputs(call, 2, 2);
  visit_numbers(input(call, 0).type, [&]<typename T>() { zip<T, T>(call, input(call, 0).type, f); });
}

void add(const OperatorCall& call) {
  combine(call, []<typename T>(T a, T b) { return plus(a, b); });
}
void sub(const OperatorCall& call) {
  combine(call, []<typename T>(T a, T b) { return minus(a, b); });
}
void mul(const OperatorCall& call) {
  combine(call, []<typename T>(T a, T b) { return times(a, b); });
}

template <typename T>
bool divides_badly(T a, T b) {
  if (b == 0) fail("it divides an integer by zero");
  return std::is_signed_v<T> && a == std::numeric_limits<T>::lowest() && b == static_cast<T>(-1);
}

// Integers: towards zero.
void div(const OperatorCall& call) {
  combine(call, []<typename T>(T a, T b) -> T {
    if constexpr (std::is_integral_v<T>)
      if (divides_badly(a, b)) return a;
    return static_cast<T>(a / b);
  });
}

// The sign is the divisor's, with fmod the dividend's.
void mod(const OperatorCall& call) {
  const bool is_fmod = flag(call, "fmod");
  if (!is_fmod && is_float(input(call, 0).type)) fail("of floats it needs fmod=1");
  combine(call, [=]<typename T>(T a, T b) -> T {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if (divides_badly(a, b)) return 0;
      const T rest = static_cast<T>(a % b);
      return !is_fmod && rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
    }
  });
}

/// Wraps around like products do.
template <typename T>
T power_of_integers(T base, std::uint64_t exponent) {
  T result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = times(result, base);
    base = times(base, base);
  }
  return result;
}

template <typename T, typename E>
T power(T base, E exponent) {
  if constexpr (std::is_integral_v<T> && std::is_integral_v<E>)
    if (exponent >= 0) return power_of_integers(base, static_cast<std::uint64_t>(exponent));
  return cast_value<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
}

// The exponent may be of another type; the result is of the base's.
void pow(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Tensor &x = input(call, 0), &y = input(call, 1);
  const Dims dims = broadcast_dims(x.dims, y.dims);
  const Strides strides_x = broadcast_strides(x.dims, dims), strides_y = broadcast_strides(y.dims, dims);
  Tensor& result = make_output(call, 0, x.type, dims);
  visit_numbers(x.type, [&]<typename T>() {
    visit_numbers(y.type, [&]<typename E>() {
      const auto bases = x.as<T>();
      const auto exponents = y.as<E>();
      const auto to = result.as<T>();
      walk<2>(dims, {&strides_x, &strides_y}, [&](std::size_t i, const auto& at) {
        to[i] = power(bases[static_cast<std::size_t>(at[0])], exponents[static_cast<std::size_t>(at[1])]);
      });
    });
  });
}

/// Any number of inputs, from the first one on.
template <typename F>
void fold(const OperatorCall& call, F f) {
  const Tensor& first = input(call, 0);
  Dims dims = first.dims;
  for (std::size_t i = 1; i < call.inputs.size(); ++i) {
    expect_same_type(first, input(call, i));
    dims = broadcast_dims(dims, input(call, i).dims);
  }
  Tensor& result = make_output(call, 0, first.type, dims);
  check_work(call, {result.elements(), static_cast<std::int64_t>(call.inputs.size())});
  visit_numbers(first.type, [&]<typename T>() {
    const auto to = result.as<T>();
    for (std::size_t k = 0; k < call.inputs.size(); ++k) {
      const auto from = input(call, k).as<T>();
      const Strides strides = broadcast_strides(input(call, k).dims, dims);
      walk<1>(dims, {&strides}, [&](std::size_t i, const auto& at) {
        const T value = from[static_cast<std::size_t>(at[0])];
        to[i] = k == 0 ? value : f(to[i], value);
      });
    }
  });
}

// NaN wins.
void max(const OperatorCall& call) {
  fold(call, [](auto a, auto b) { return a > b || a != a ? a : b; });
}
void min(const OperatorCall& call) {
  fold(call, [](auto a, auto b) { return a < b || a != a ? a : b; });
}
void sum(const OperatorCall& call) {
  fold(call, []<typename T>(T a, T b) { return plus(a, b); });
}

void mean(const OperatorCall& call) {
  if (!is_float(input(call, 0).type)) fail_of_type(input(call, 0).type);
  sum(call);
  const auto count = static_cast<double>(call.inputs.size());
  visit_floats(call.outputs[0].type, [&]<typename T>() {
    for (T& value : call.outputs[0].as<T>()) value = static_cast<T>(static_cast<double>(value) / count);
  });
}

constexpr OperatorRow kRows[] = {
    {"Add", add, true}, {"Div", div, true}, {"Max", max, true}, {"Mean", mean, true}, {"Min", min, true},
    {"Mod", mod, true}, {"Mul", mul, true}, {"Pow", pow, true}, {"Sub", sub, true},   {"Sum", sum, true},
};

}  // namespace

std::span<const OperatorRow> arithmetic_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
