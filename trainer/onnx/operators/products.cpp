#include <fmt/format.h>

#include <vector>

#include "quant/base/parallel.hpp"
#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/quantize.hpp"
#include "trainer/onnx/operators/types.hpp"
#include "trainer/onnx/operators/walk.hpp"

namespace bitsmith::trainer::onnx {
namespace {

/// A stack of products, rows x inner by inner x columns, whose operands broadcast along the stack.
struct Stack {
  Dims batch;
  Strides a, b;  ///< of the operands' matrices along `batch`, in elements
  std::int64_t rows = 1, inner = 1, columns = 1;
  Dims result;
};

Stack stack_of(const OperatorCall& call, Dims a, Dims b) {
  if (a.empty() || b.empty()) fail("it does not take scalars");
  const bool is_row = a.size() == 1, is_column = b.size() == 1;
  if (is_row) a.insert(a.begin(), 1);
  if (is_column) b.push_back(1);
  Stack stack;
  stack.rows = a[a.size() - 2];
  stack.inner = a.back();
  stack.columns = b.back();
  if (b[b.size() - 2] != stack.inner) fail(fmt::format("{} by {} is no product", show(a), show(b)));
  const Dims batch_a(a.begin(), a.end() - 2), batch_b(b.begin(), b.end() - 2);
  stack.batch = broadcast_dims(batch_a, batch_b);
  stack.a = broadcast_strides(batch_a, stack.batch);
  stack.b = broadcast_strides(batch_b, stack.batch);
  for (std::int64_t& stride : stack.a) stride *= stack.rows * stack.inner;
  for (std::int64_t& stride : stack.b) stride *= stack.inner * stack.columns;
  stack.result = stack.batch;
  if (!is_row) stack.result.push_back(stack.rows);
  if (!is_column) stack.result.push_back(stack.columns);
  const auto outputs = count_elements(stack.result, call.most_elements);
  if (!outputs) fail(fmt::format("its output would be {}", show(stack.result)));
  check_work(call, {*outputs, stack.inner});
  return stack;
}

/// Sums in the order of the inner extent.
template <typename Sum>
std::vector<Sum> multiply(const Stack& stack, const std::vector<Sum>& a, const std::vector<Sum>& b) {
  const std::int64_t plane = stack.rows * stack.columns;
  std::vector<Sum> y(static_cast<std::size_t>(extent_of(stack.batch, 0, stack.batch.size()) * plane));
  walk<2>(stack.batch, {&stack.a, &stack.b}, [&](std::size_t i, const auto& at) {
    base::parallel_for(static_cast<int>(stack.rows), [&, at](int row) {
      const Sum* from_a = a.data() + at[0] + row * stack.inner;
      Sum* to = y.data() + static_cast<std::int64_t>(i) * plane + row * stack.columns;
      for (std::int64_t k = 0; k < stack.inner; ++k) {
        const Sum factor = from_a[k];
        const Sum* from_b = b.data() + at[1] + k * stack.columns;
        for (std::int64_t c = 0; c < stack.columns; ++c) to[c] += factor * from_b[c];
      }
    });
  });
  return y;
}

std::vector<std::uint64_t> to_wrapping(const Tensor& tensor) {
  std::vector<std::uint64_t> values;
  if (!visit_integer(tensor.type, [&]<typename T>() {
        for (const T value : tensor.as<T>()) values.push_back(static_cast<std::uint64_t>(value));
      }))
    fail_of_type(tensor.type);
  return values;
}

void mat_mul(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  const Tensor &a = input(call, 0), &b = input(call, 1);
  expect_same_type(a, b);
  const Stack stack = stack_of(call, a.dims, b.dims);
  Tensor& y = make_output(call, 0, a.type, stack.result);
  if (is_float(a.type)) return from_doubles(multiply(stack, to_doubles(a), to_doubles(b)), y);
  const auto sums = multiply(stack, to_wrapping(a), to_wrapping(b));
  visit_integer(a.type, [&]<typename T>() {
    const auto to = y.as<T>();
    for (std::size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<T>(sums[i]);
  });
}

template <typename T>
std::vector<T> transpose(const std::vector<T>& values, std::int64_t rows, std::int64_t columns) {
  std::vector<T> result(values.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      result[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * columns + c)];
  return result;
}

// alpha op(A) op(B) + beta C; C broadcasts to the product.
void gemm(const OperatorCall& call) {
  expect_inputs(call, 2, 3);
  const Tensor &a = input(call, 0), &b = input(call, 1);
  expect_same_type(a, b);
  if (a.dims.size() != 2 || b.dims.size() != 2)
    fail(fmt::format("it takes matrices, not {} and {}", show(a.dims), show(b.dims)));
  std::vector<double> values_a = to_doubles(a), values_b = to_doubles(b);
  Dims dims_a = a.dims, dims_b = b.dims;
  if (flag(call, "transA")) {
    values_a = transpose(values_a, dims_a[0], dims_a[1]);
    std::swap(dims_a[0], dims_a[1]);
  }
  if (flag(call, "transB")) {
    values_b = transpose(values_b, dims_b[0], dims_b[1]);
    std::swap(dims_b[0], dims_b[1]);
  }
  const Stack stack = stack_of(call, dims_a, dims_b);
  std::vector<double> y = multiply(stack, values_a, values_b);
  const double alpha = call.node.real("alpha", 1), beta = call.node.real("beta", 1);
  for (double& value : y) value *= alpha;
  if (const Tensor* c = optional_input(call, 2)) {
    expect_same_type(a, *c);
    const std::vector<double> values_c = to_doubles(*c);
    const Strides strides = broadcast_strides(c->dims, stack.result);
    walk<1>(stack.result, {&strides},
            [&](std::size_t i, const auto& at) { y[i] += beta * values_c[static_cast<std::size_t>(at[0])]; });
  }
  from_doubles(y, make_output(call, 0, a.type, stack.result));
}

/// The zero point of the left operand may have one value for each row, that of the right one for each column.
std::vector<double> integer_product(const Stack& stack, const Tensor& a, const Tensor* zero_a,
                                    const Tensor& b, const Tensor* zero_b) {
  return multiply(stack, without_zero_point(a, zero_a, a.dims.size() < 2 ? 0 : a.dims.size() - 2),
                  without_zero_point(b, zero_b, b.dims.size() - 1));
}

void mat_mul_integer(const OperatorCall& call) {
  expect_inputs(call, 2, 4);
  const Tensor &a = input(call, 0), &b = input(call, 1);
  const Stack stack = stack_of(call, a.dims, b.dims);
  to_wrapped_int32(integer_product(stack, a, optional_input(call, 2), b, optional_input(call, 3)),
                   make_output(call, 0, ElementType::int32, stack.result));
}

// a, its scale and zero point, b, its scale and zero point, the output's scale and zero point.
void qlinear_mat_mul(const OperatorCall& call) {
  expect_inputs(call, 8, 8);
  const Tensor &a = input(call, 0), &b = input(call, 3);
  const Stack stack = stack_of(call, a.dims, b.dims);
  std::vector<double> y = integer_product(stack, a, &input(call, 2), b, &input(call, 5));
  const std::vector<double> scale_b = reals_of(input(call, 4), "the right scale");
  const double scale =
      real_of(input(call, 1), "the left scale") / real_of(input(call, 6), "the output's scale");
  if (scale_b.size() != 1 && scale_b.size() != static_cast<std::size_t>(stack.columns))
    fail(fmt::format("the right scale has {} values for {} columns", scale_b.size(), stack.columns));
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] *= scale * scale_b[scale_b.size() == 1 ? 0 : i % scale_b.size()];
  write_quantized(y, input(call, 7), make_output(call, 0, input(call, 7).type, stack.result));
}

constexpr OperatorRow kRows[] = {
    {"Gemm", gemm, true},
    {"MatMul", mat_mul, true},
    {"MatMulInteger", mat_mul_integer},
    {"QLinearMatMul", qlinear_mat_mul},
};

}  // namespace

std::span<const OperatorRow> product_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
