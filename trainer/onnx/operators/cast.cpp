#include "trainer/onnx/operators/families.hpp"
#include "trainer/onnx/operators/types.hpp"

namespace bitsmith::trainer::onnx {
namespace {

void cast_to(const OperatorCall& call, ElementType type) {
  const Tensor& x = input(call, 0);
  Tensor& y = make_output(call, 0, type, x.dims);
  const auto is_plain_integer = [](ElementType t) { return element_bits(t) >= 8 && !is_float(t); };
  if (!is_plain_integer(x.type) || !is_plain_integer(type) || type == ElementType::boolean)
    return from_doubles(to_doubles(x), y);
  // Doubles would not hold all 64-bit integers.
  visit_numbers_and_booleans(x.type, [&]<typename From>() {
    visit_integer(type, [&]<typename To>() {
      const auto from = x.as<From>();
      const auto to = y.as<To>();
      for (std::size_t i = 0; i < from.size(); ++i) to[i] = cast_value<To>(from[i]);
    });
  });
}

void cast(const OperatorCall& call) {
  expect_inputs(call, 1, 1);
  const auto number = call.node.integer("to", 0);
  const auto type = static_cast<ElementType>(number);
  if (number < 0 || number > 64 || element_bits(type) == 0)
    fail(fmt::format("casts to ONNX type {} are not supported", number));
  cast_to(call, type);
}

void cast_like(const OperatorCall& call) {
  expect_inputs(call, 2, 2);
  cast_to(call, input(call, 1).type);
}

constexpr OperatorRow kRows[] = {{"Cast", cast}, {"CastLike", cast_like}};

}  // namespace

std::span<const OperatorRow> cast_rows() { return kRows; }

}  // namespace bitsmith::trainer::onnx
