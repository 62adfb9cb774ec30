#if defined(BITSMITH_ISA_avx512)
#include <immintrin.h>
#endif

#include "quant/kernels/finish_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

#if defined(BITSMITH_ISA_avx512)

inline void store(__m512 values, __mmask16 inside, float* out) { _mm512_mask_storeu_ps(out, inside, values); }

template <typename Integer>
inline void store(__m512 values, __mmask16 inside, Integer* out) {
  _mm512_mask_cvtepi32_storeu_epi8(out, inside, _mm512_maskz_cvtps_epi32(inside, values));
}

inline __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d, const std::uint8_t*) {
  return _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, d));
}

inline __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d, const std::int8_t*) {
  return _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

/// 64 channels from `first` on, in whole registers throughout: a tenth faster than masked stores of bytes.
template <typename Integer>
void finish_64(const std::int32_t* sums, int width, int rows, const FinishChannels& channels, int first,
               std::uint8_t* out, std::int64_t stride) {
  const __m512 low = _mm512_set1_ps(channels.low), high = _mm512_set1_ps(channels.high);
  // Packing works within lanes of 128 bits.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i correction[4];
  __m512 offset[4], multiplier[4];
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    correction[v] = _mm512_loadu_si512(channels.correction + first + 16 * v);
    offset[v] = _mm512_loadu_ps(channels.offset + first + 16 * v);
    multiplier[v] = _mm512_loadu_ps(channels.multiplier + first + 16 * v);
  }
  for (int r = 0; r < rows; ++r) {
    const std::int32_t* from = sums + std::int64_t{r} * width + first;
    __m512i rounded[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m512i sum = _mm512_add_epi32(_mm512_loadu_si512(from + 16 * v), correction[v]);
      const __m512 exact = _mm512_maskz_cvtepi32_ps(0xFFFF, sum);
      const __m512 scaled = _mm512_mul_ps(_mm512_add_ps(exact, offset[v]), multiplier[v]);
      const __m512 above = _mm512_maskz_max_ps(0xFFFF, low, scaled);
      rounded[v] = _mm512_maskz_cvtps_epi32(0xFFFF, _mm512_maskz_min_ps(0xFFFF, high, above));
    }
    const __m512i packed =
        pack(rounded[0], rounded[1], rounded[2], rounded[3], static_cast<const Integer*>(nullptr));
    _mm512_storeu_si512(out + r * stride + first, _mm512_maskz_permutexvar_epi32(0xFFFF, order, packed));
  }
}

template <typename Value>
void finish(const std::int32_t* sums, int width, int rows, const FinishChannels& channels, void* out,
            std::int64_t stride) {
  int done = 0;
  if constexpr (sizeof(Value) == 1)
    for (; done + 64 <= channels.count; done += 64)
      finish_64<Value>(sums, width, rows, channels, done, static_cast<std::uint8_t*>(out), stride);
  const __m512 low = _mm512_set1_ps(channels.low), high = _mm512_set1_ps(channels.high);
  for (int c = done; c < channels.count; c += 16) {
    const int left = channels.count - c;
    const __mmask16 inside = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1 << left) - 1);
    const __m512i correction = _mm512_maskz_loadu_epi32(inside, channels.correction + c);
    const __m512 offset = _mm512_maskz_loadu_ps(inside, channels.offset + c);
    const __m512 multiplier = _mm512_maskz_loadu_ps(inside, channels.multiplier + c);
    for (int r = 0; r < rows; ++r) {
      const __m512i sum = _mm512_maskz_loadu_epi32(inside, sums + std::int64_t{r} * width + c);
      const __m512 exact = _mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_add_epi32(sum, correction));
      const __m512 scaled = _mm512_mul_ps(_mm512_add_ps(exact, offset), multiplier);
      const __m512 above = _mm512_maskz_max_ps(0xFFFF, low, scaled);  // NaN stays NaN: the second operand
      store(_mm512_maskz_min_ps(0xFFFF, high, above), inside,
            reinterpret_cast<Value*>(static_cast<std::uint8_t*>(out) + r * stride) + c);
    }
  }
}

#else

inline void store(float value, float* out) { *out = value; }

template <typename Integer>
inline void store(float value, Integer* out) {
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: rounds to nearest, ties to even
  *out = static_cast<Integer>(static_cast<std::int32_t>((value + kRounder) - kRounder));
}

template <typename Value>
void finish(const std::int32_t* sums, int width, int rows, const FinishChannels& channels, void* out,
            std::int64_t stride) {
  const std::int32_t* correction = channels.correction;
  const float *offset = channels.offset, *multiplier = channels.multiplier;
  const float low = channels.low, high = channels.high;
  const int count = channels.count;
  for (int r = 0; r < rows; ++r, sums += width) {
    Value* y = reinterpret_cast<Value*>(static_cast<std::uint8_t*>(out) + r * stride);
    for (int c = 0; c < count; ++c) {
      float v = (static_cast<float>(sums[c] + correction[c]) + offset[c]) * multiplier[c];
      v = v < low ? low : v;
      v = v > high ? high : v;
      store(v, y + c);
    }
  }
}

#endif

}  // namespace

extern const FinishKernels finish_kernels;
const FinishKernels finish_kernels = {finish<float>, finish<std::uint8_t>, finish<std::int8_t>};

}  // namespace bitsmith::quant::BITSMITH_ISA
