#include <fmt/format.h>

#include <cmath>

#include "trainer/onnx/operators/convolve.hpp"
#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/quantize.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// Values for each output channel in y, N x M x spatial.
template <typename F>
void for_each_channel(const Convolution& convolution, std::vector<double>& y, F f) {
  if (y.empty()) return;
  const std::size_t plane = y.size() / static_cast<std::size_t>(convolution.batch * convolution.outputs);
  for (std::size_t p = 0; p < y.size(); p += plane) {
    const std::size_t m = p / plane % static_cast<std::size_t>(convolution.outputs);
    for (std::size_t i = 0; i < plane; ++i) y[p + i] = f(y[p + i], m);
  }
}

std::vector<double> bias_of(const Tensor& bias, std::int64_t outputs) {
  if (bias.dims != Dims{outputs})
    fail(fmt::format("its bias is {}, it has {} outputs", show(bias.dims), outputs));
  return to_doubles(bias);
}

void conv(const OperatorCall& call) {
  expect_inputs(call, 2, 3);
  const Tensor &x = input(call, 0), &w = input(call, 1);
  if (!is_float(x.type)) fail_of_type(x.type);
  expect_same_type(x, w);
  const Convolution convolution = convolution_of(call, x.dims, w.dims);
  std::vector<double> y = convolve(convolution, to_doubles(x), to_doubles(w));
  if (const Tensor* bias = optional_input(call, 2)) {
    expect_same_type(x, *bias);
    const std::vector<double> values = bias_of(*bias, convolution.outputs);
    for_each_channel(convolution, y, [&](double sum, std::size_t m) { return sum + values[m]; });
  }
  from_doubles(y, make_output(call, 0, x.type, convolution.result));
}

void conv_integer(const OperatorCall& call) {
  expect_inputs(call, 2, 4);
  const Tensor &x = input(call, 0), &w = input(call, 1);
  const Convolution convolution = convolution_of(call, x.dims, w.dims);
  const std::vector<double> y =
      convolve(convolution, without_zero_point(x, optional_input(call, 2), std::nullopt),
               without_zero_point(w, optional_input(call, 3), 0));
  to_wrapped_int32(y, make_output(call, 0, ElementType::int32, convolution.result));
}

// x, its scale and zero point, w, its scale and zero point, the output's scale and zero point, bias.
void qlinear_conv(const OperatorCall& call) {
  expect_inputs(call, 8, 9);
  const Tensor &x = input(call, 0), &w = input(call, 3);
  const Convolution convolution = convolution_of(call, x.dims, w.dims);
  std::vector<double> y = convolve(convolution, without_zero_point(x, &input(call, 2), std::nullopt),
                                   without_zero_point(w, &input(call, 5), 0));
  const double scale_x = real_of(input(call, 1), "the input's scale");
  const double scale_y = real_of(input(call, 6), "the output's scale");
  const std::vector<double> scale_w = reals_of(input(call, 4), "the weight's scale");
  if (scale_w.size() != 1 && scale_w.size() != static_cast<std::size_t>(convolution.outputs))
    fail(fmt::format("the weight's scale has {} values for {} outputs", scale_w.size(), convolution.outputs));
  std::vector<double> bias(static_cast<std::size_t>(convolution.outputs), 0.0);
  if (const Tensor* tensor = optional_input(call, 8)) {
    expect_type(*tensor, ElementType::int32, "its bias");
    bias = bias_of(*tensor, convolution.outputs);
  }
  for_each_channel(convolution, y, [&](double sum, std::size_t m) {
    return (sum + bias[m]) * (scale_x * scale_w[scale_w.size() == 1 ? 0 : m] / scale_y);
  });
  write_quantized(y, input(call, 7), make_output(call, 0, input(call, 7).type, convolution.result));
}

constexpr OperatorRow kRows[] = {
    {"Conv", conv}, {"ConvInteger", conv_integer}, {"QLinearConv", qlinear_conv}};

}  // namespace

std::span<const OperatorRow> convolution_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
