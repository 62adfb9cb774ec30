#include "trainer/kernels/passes.hpp"

#include <algorithm>

#include "quant/base/cpu.hpp"

namespace bitsmith::trainer {

std::size_t folded_width(std::size_t channels) {
  constexpr std::size_t kVectors = 64, kMost = 512;
  for (std::size_t width = channels; width <= kMost; width += channels)
    if (width % kVectors == 0) return width;
  return channels * std::max<std::size_t>(1, kVectors / channels);
}

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
