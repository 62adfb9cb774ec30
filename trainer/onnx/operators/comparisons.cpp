#include "trainer/onnx/operators/elementwise.hpp"
#include "trainer/onnx/operators/families.hpp"

namespace bitsmith::trainer::onnx {
namespace {

template <typename F>
void compare(const OperatorCall& call, F f) {
  expect_inputs(call, 2, 2);
  visit_numbers_and_booleans(input(call, 0).type, [&]<typename T>() {
    zip<T, std::uint8_t>(call, ElementType::boolean,
                         [=](T a, T b) -> std::uint8_t { return f(a, b) ? 1 : 0; });
  });
}

template <typename F>
void combine_truths(const OperatorCall& call, F f) {
  expect_inputs(call, 2, 2);
  expect_type(input(call, 0), ElementType::boolean, "its inputs");
  zip<std::uint8_t, std::uint8_t>(
      call, ElementType::boolean,
      [=](std::uint8_t a, std::uint8_t b) -> std::uint8_t { return f(a != 0, b != 0) ? 1 : 0; });
}

void invert(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const Tensor& x = input(call, 0);
  expect_type(x, ElementType::boolean, "its input");
  const auto from = x.as<std::uint8_t>();
  const auto to = make_output(call, 0, x.type, x.dims).as<std::uint8_t>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i] == 0 ? 1 : 0;
}

void where(const OperatorCall& call) {
  expect_inputs(call, 3, 3);
  const Tensor &condition = input(call, 0), &x = input(call, 1), &y = input(call, 2);
  expect_type(condition, ElementType::boolean, "its condition");
  expect_same_type(x, y);
  const Dims dims = broadcast_dims(condition.dims, broadcast_dims(x.dims, y.dims));
  const Strides c = broadcast_strides(condition.dims, dims), sx = broadcast_strides(x.dims, dims),
                sy = broadcast_strides(y.dims, dims);
  const auto truths = condition.as<std::uint8_t>();
  visit_width(x.type, [&]<typename T>() {
    const auto from_x = raw<T>(x), from_y = raw<T>(y);
    const auto to = raw<T>(make_output(call, 0, x.type, dims));
    walk<3>(dims, {&c, &sx, &sy}, [&](std::size_t i, const auto& at) {
      to[i] = truths[static_cast<std::size_t>(at[0])] ? from_x[static_cast<std::size_t>(at[1])]
                                                      : from_y[static_cast<std::size_t>(at[2])];
    });
  });
}

constexpr OperatorRow kRows[] = {
    {"And", [](const OperatorCall& call) { combine_truths(call, [](bool a, bool b) { return a && b; }); }},
    {"Equal", [](const OperatorCall& call) { compare(call, [](auto a, auto b) { return a == b; }); }, true},
    {"Greater", [](const OperatorCall& call) { compare(call, [](auto a, auto b) { return a > b; }); }, true},
    {"GreaterOrEqual", [](const OperatorCall& call) { compare(call, [](auto a, auto b) { return a >= b; }); },
     true},
    {"Less", [](const OperatorCall& call) { compare(call, [](auto a, auto b) { return a < b; }); }, true},
    {"LessOrEqual", [](const OperatorCall& call) { compare(call, [](auto a, auto b) { return a <= b; }); },
     true},
    {"Not", invert},
    {"Or", [](const OperatorCall& call) { combine_truths(call, [](bool a, bool b) { return a || b; }); }},
    {"Where", where},
    {"Xor", [](const OperatorCall& call) { combine_truths(call, [](bool a, bool b) { return a != b; }); }},
};

}  // namespace

std::span<const OperatorRow> comparison_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
