#pragma once

#include <cstdint>
#include <cstring>

#include "quant/fake_quantize.hpp"
#include "quant/kernels/step_kernels.hpp"

namespace bitsmith::quant {

/// n values as a step's output.
inline void put(const float* values, std::int64_t n, Storage storage, const StepNumbers& numbers, void* out) {
  const IntegerRange r = numbers.range;
  if (storage == Storage::u8)
    quantize_u8(values, n, numbers.scale, r.low, r.high, static_cast<std::uint8_t*>(out));
  else if (storage == Storage::s8)
    quantize_s8(values, n, numbers.scale, r.low, r.high, static_cast<std::int8_t*>(out));
  else if (values != out)
    std::memcpy(out, values, static_cast<std::size_t>(n) * sizeof(float));
}

}  // namespace bitsmith::quant
