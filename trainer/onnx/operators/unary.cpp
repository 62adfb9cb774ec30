#include <cmath>

#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"

namespace bitsmith::trainer::onnx {
namespace {

template <double (*F)(double)>
void map(const OperatorCall& call) {
  map_floats(call, F);
}

double reciprocal(double x) { return 1 / x; }
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double softsign(double x) { return x / (1 + std::abs(x)); }

void abs(const OperatorCall& call) {
  map_numbers(call, []<typename T>(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::abs(x);
    return x < 0 ? minus(T{0}, x) : x;
  });
}

void neg(const OperatorCall& call) {
  map_numbers(call, []<typename T>(T x) {
    if constexpr (std::is_floating_point_v<T>) return -x;
    return minus(T{0}, x);
  });
}

void sign(const OperatorCall& call) {
  map_numbers(call, [](auto x) { return (x > 0 ? 1 : 0) - (x < 0 ? 1 : 0); });
}

template <typename F>
void test_floats(const OperatorCall& call, F f) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  visit_floats(x.type, [&]<typename T>() {
    const auto from = x.as<T>();
    const auto to = make_output(call, 0, ElementType::boolean, x.dims).template as<std::uint8_t>();
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = f(from[i]) ? 1 : 0;
  });
}

void is_nan(const OperatorCall& call) {
  test_floats(call, [](auto x) { return std::isnan(x); });
}

void is_inf(const OperatorCall& call) {
  const bool negative = flag(call, "detect_negative", true), positive = flag(call, "detect_positive", true);
  test_floats(call, [=](auto x) { return std::isinf(x) && (x < 0 ? negative : positive); });
}

constexpr OperatorRow kRows[] = {
    {"Abs", abs, true},
    {"Acos", map<std::acos>, true},
    {"Acosh", map<std::acosh>, true},
    {"Asin", map<std::asin>, true},
    {"Asinh", map<std::asinh>, true},
    {"Atan", map<std::atan>, true},
    {"Atanh", map<std::atanh>, true},
    {"Ceil", map<std::ceil>, true},
    {"Cos", map<std::cos>, true},
    {"Cosh", map<std::cosh>, true},
    {"Erf", map<std::erf>, true},
    {"Exp", map<std::exp>, true},
    {"Floor", map<std::floor>, true},
    {"IsInf", is_inf, true},
    {"IsNaN", is_nan, true},
    {"Log", map<std::log>, true},
    {"Neg", neg, true},
    {"Reciprocal", map<reciprocal>, true},
    {"Round", map<std::nearbyint>, true},  // ties to even
    {"Sign", sign, true},
    {"Sin", map<std::sin>, true},
    {"Sinh", map<std::sinh>, true},
    {"Softplus", map<softplus>, true},
    {"Softsign", map<softsign>, true},
    {"Sqrt", map<std::sqrt>, true},
    {"Tan", map<std::tan>, true},
    {"Tanh", map<std::tanh>, true},
};

}  // namespace

std::span<const OperatorRow> unary_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
