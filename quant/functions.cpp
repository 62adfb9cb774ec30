#include "quant/functions.hpp"

#include <algorithm>
#include <iterator>

#include "quant/base/error.hpp"

namespace bitsmith::quant {
namespace {

constexpr FunctionRow kFunctions[] = {
    {Function::sigmoid, "sigmoid", false, false},
    {Function::hard_sigmoid, "hard_sigmoid", true, true},
    {Function::hard_swish, "hard_swish", false, false},
    {Function::silu, "silu", false, false},
    {Function::leaky_relu, "leaky_relu", true, false},
    {Function::clip, "clip", true, true},
    {Function::erf, "erf", false, false},
};

}  // namespace

std::span<const FunctionRow> function_rows() { return kFunctions; }

std::string_view function_name(Function function) {
  const auto row = std::ranges::find(kFunctions, function, &FunctionRow::function);
  base::require(row != std::end(kFunctions), "a function without a row");
  return row->name;
}

std::optional<Function> find_function(std::string_view name) {
  const auto row = std::ranges::find(kFunctions, name, &FunctionRow::name);
  if (row == std::end(kFunctions)) return std::nullopt;
  return row->function;
}

bool gives_negatives(Function function, float alpha, bool input_signed) {
  switch (function) {
    case Function::sigmoid:
    case Function::hard_sigmoid:
      return false;
    case Function::clip:
      return input_signed && alpha < 0;
    case Function::leaky_relu:
      return input_signed && alpha > 0;
    case Function::hard_swish:
    case Function::silu:
    case Function::erf:
      return input_signed;
  }
  return true;
}

}  // namespace bitsmith::quant
