#include "quant/kernels/function_kernels.hpp"

#include "quant/kernels/dispatch.hpp"

namespace bitsmith::quant {

const FunctionKernels& function_kernels() {
  static const FunctionKernels& chosen = pick_isa(base::selected_isa(), scalar::function_kernels,
                                                  avx2::function_kernels, avx512::function_kernels);
  return chosen;
}

}  // namespace bitsmith::quant
