#include "trainer/kernels/quantizer_passes.hpp"

#include "quant/kernels/dispatch.hpp"

namespace bitsmith::trainer {

const QuantizerPasses& quantizer_passes() {
  return quant::pick_isa(base::selected_isa(), scalar::quantizer_passes, avx2::quantizer_passes,
                         avx512::quantizer_passes);
}

}  // namespace bitsmith::trainer
