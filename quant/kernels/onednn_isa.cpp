#include "quant/kernels/onednn_isa.hpp"

#include <dnnl.hpp>

#include "quant/base/cpu.hpp"

namespace bitsmith::quant {

void restrain_onednn() {
  const base::Isa isa = base::selected_isa();
  if (isa == base::available_isas().back()) return;
  dnnl::set_max_cpu_isa(isa == base::Isa::avx2 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41);
}

}  // namespace bitsmith::quant
