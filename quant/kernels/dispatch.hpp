#pragma once

#include "quant/base/cpu.hpp"

namespace bitsmith::quant {

/// Picks one of three tables of the same kernels. Only the one for an available instruction set may be
/// called.
template <typename Kernels>
const Kernels& pick_isa(base::Isa isa, const Kernels& scalar_form, const Kernels& avx2_form,
                        const Kernels& avx512_form) {
  switch (isa) {
    case base::Isa::avx512:
      return avx512_form;
    case base::Isa::avx2:
      return avx2_form;
    case base::Isa::scalar:
      break;
  }
  return scalar_form;
}

}  // namespace bitsmith::quant
