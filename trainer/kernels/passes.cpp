#include "trainer/kernels/passes.hpp"

#include "quant/base/cpu.hpp"

namespace bitsmith::trainer {

const Passes& passes() {
  switch (base::selected_isa()) {
    case base::Isa::avx512:
      return avx512::passes;
    case base::Isa::avx2:
      return avx2::passes;
    case base::Isa::scalar:
      break;
  }
  return scalar::passes;
}

}  // namespace bitsmith::trainer
