#include <algorithm>
#include <cmath>
#include <numbers>

#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"

namespace bitsmith::trainer::onnx {
namespace {

void relu(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  map_numbers(call, [](auto x) { return x < 0 ? decltype(x){0} : x; });
}

template <typename T>
void clip_between(const OperatorCall& call, T low, T high) {
  const Tensor& x = input(call, 0);
  const auto from = x.as<T>();
  const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const T raised = from[i] < low ? low : from[i];
    to[i] = raised > high ? high : raised;
  }
}

// Attributes before opset 11, inputs from then on.
void clip(const OperatorCall& call) {
  const Tensor& x = input(call, 0);
  if (call.opset < 11) {
    expect_inputs(call, 1, 1);
    constexpr float kMost = std::numeric_limits<float>::max();
    const float low = call.node.real("min", -kMost), high = call.node.real("max", kMost);
    return visit_floats(x.type, [&]<typename T>() { clip_between<T>(call, low, high); });
  }
  expect_inputs(call, 1, 3);
  visit_numbers(x.type, [&]<typename T>() {
    const auto bound = [&](std::size_t index, T otherwise) {
      const Tensor* tensor = optional_input(call, index);
      if (!tensor) return otherwise;
      expect_same_type(x, *tensor);
      if (tensor->elements() != 1) fail("its bounds must be single values");
      return tensor->as<T>()[0];
    };
    using Limits = std::numeric_limits<T>;
    clip_between<T>(call, bound(1, Limits::has_infinity ? -Limits::infinity() : Limits::lowest()),
                    bound(2, Limits::has_infinity ? Limits::infinity() : Limits::max()));
  });
}

void leaky_relu(const OperatorCall& call) {
  const double alpha = call.node.real("alpha", 0.01F);
  map_floats(call, [=](double x) { return x < 0 ? alpha * x : x; });
}

void thresholded_relu(const OperatorCall& call) {
  const double alpha = call.node.real("alpha", 1);
  map_floats(call, [=](double x) { return x > alpha ? x : 0; });
}

void elu(const OperatorCall& call) {
  const double alpha = call.node.real("alpha", 1);
  map_floats(call, [=](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
}

void celu(const OperatorCall& call) {
  const double alpha = call.node.real("alpha", 1);
  map_floats(call, [=](double x) { return std::max(0.0, x) + std::min(0.0, alpha * std::expm1(x / alpha)); });
}

// Klambauer et al. 2017; the defaults are the operator's.
void selu(const OperatorCall& call) {
  const double alpha = call.node.real("alpha", 1.67326319217681884765625F);
  const double gamma = call.node.real("gamma", 1.05070102214813232421875F);
  map_floats(call, [=](double x) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); });
}

// The slope broadcasts to x, never the other way.
void prelu(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Tensor &x = input(call, 0), &slope = input(call, 1);
  expect_same_type(x, slope);
  const Strides own = row_major(x.dims), other = broadcast_strides(slope.dims, x.dims);
  visit_numbers(x.type, [&]<typename T>() {
    const auto from = x.as<T>(), slopes = slope.as<T>();
    const auto to = make_output(call, 0, x.type, x.dims).template as<T>();
    walk<2>(x.dims, {&own, &other}, [&](std::size_t i, const auto& at) {
      to[i] = from[i] < 0 ? times(from[i], slopes[static_cast<std::size_t>(at[1])]) : from[i];
    });
  });
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

void hard_sigmoid(const OperatorCall& call) {
  const double alpha = call.node.real("alpha", 0.2F), beta = call.node.real("beta", 0.5F);
  map_floats(call, [=](double x) { return std::max(0.0, std::min(1.0, alpha * x + beta)); });
}

double hard_swish(double x) { return x * std::max(0.0, std::min(1.0, x / 6 + 0.5)); }

// Hendrycks and Gimpel 2016: x times the normal distribution function, or the approximation of it by tanh.
void gelu(const OperatorCall& call) {
  if (word(call, "approximate", "none", {"none", "tanh"}) == "none")
    return map_floats(call, [](double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); });
  map_floats(call, [](double x) {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  });
}

void shrink(const OperatorCall& call) {
  const double bias = call.node.real("bias", 0), lambd = call.node.real("lambd", 0.5F);
  map_floats(call, [=](double x) { return x < -lambd ? x + bias : x > lambd ? x - bias : 0; });
}

constexpr OperatorRow kRows[] = {
    {"Celu", celu, true},
    {"Clip", clip, true},
    {"Elu", elu, true},
    {"Gelu", gelu, true},
    {"HardSigmoid", hard_sigmoid, true},
    {"HardSwish", [](const OperatorCall& call) { map_floats(call, hard_swish); }, true},
    {"LeakyRelu", leaky_relu, true},
    {"PRelu", prelu, true},
    {"Relu", relu, true},
    {"Selu", selu, true},
    {"Shrink", shrink, true},
    {"Sigmoid", [](const OperatorCall& call) { map_floats(call, sigmoid); }, true},
    {"ThresholdedRelu", thresholded_relu, true},
};

}  // namespace

std::span<const OperatorRow> activation_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
