#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace bitsmith::quant {

/// Element-wise functions of a network, beside ReLU, ReLU6 and GELU, which have operations of their own.
/// `alpha` and `beta` are parameters of some (ONNX's attributes of these names; for clip its bounds).
enum class Function {
  sigmoid,       ///< 1 / (1 + exp(-x))
  hard_sigmoid,  ///< clamp(alpha x + beta, 0, 1)
  hard_swish,    ///< x clamp(x / 6 + 1/2, 0, 1)  (Howard et al. 2019)
  silu,          ///< x / (1 + exp(-x))  (Ramachandran et al. 2017)
  leaky_relu,    ///< x, times alpha where negative
  clip,          ///< clamp(x, alpha, beta)
  erf            ///< 2 Phi(sqrt(2) x) - 1
};

struct FunctionRow {
  Function function;
  std::string_view name;
  bool has_alpha, has_beta;
};
std::span<const FunctionRow> function_rows();
std::string_view function_name(Function function);
std::optional<Function> find_function(std::string_view name);

/// Whether the function's values can be negative.
bool gives_negatives(Function function, float alpha, bool input_signed);

}  // namespace bitsmith::quant
