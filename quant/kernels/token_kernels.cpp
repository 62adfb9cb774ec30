#include "quant/kernels/token_kernels.hpp"

#include "quant/kernels/dispatch.hpp"

namespace bitsmith::quant {

const TokenKernels& token_kernels() {
  static const TokenKernels& chosen =
      pick_isa(base::selected_isa(), scalar::token_kernels, avx2::token_kernels, avx512::token_kernels);
  return chosen;
}

}  // namespace bitsmith::quant
