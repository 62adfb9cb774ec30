#pragma once

#include <cstdint>

namespace bitsmith::quant {

/// What turns a layer's sums into its output, per channel.
struct FinishChannels {
  const std::int32_t* correction;
  const float* offset;
  const float* multiplier;
  float low, high;  ///< for u8 and s8 in the type's range
  int count;
};

/// out[row][c] = clamp((sums[row][c] + correction[c] + offset[c]) * multiplier[c], low, high), the first sum
/// in int32, the others in fp32; rounded half to even for integers. Rows of sums are `width` sums apart,
/// those of the output `stride` bytes.
using Finish = void (*)(const std::int32_t* sums, int width, int rows, const FinishChannels& channels,
                        void* out, std::int64_t stride);

struct FinishKernels {
  Finish f32, u8, s8;
};

namespace scalar {
extern const FinishKernels finish_kernels;
}
namespace avx2 {
extern const FinishKernels finish_kernels;
}
namespace avx512 {
extern const FinishKernels finish_kernels;
}

}  // namespace bitsmith::quant
