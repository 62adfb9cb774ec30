#pragma once

// For *.isa.cpp in their AVX-512 form alone: sums in registers become outputs. Everything is inlined.

#include <immintrin.h>

#include <cstdint>
#include <type_traits>

#define BITSMITH_INLINE inline __attribute__((always_inline))

namespace bitsmith::quant::avx512 {

/// total += bytes (u8) * weights (s8), in place: GCC 12 keeps copies of sums that its intrinsics update.
BITSMITH_INLINE void add_products(__m512i& total, __m512i bytes, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(total) : "v"(bytes), "v"(weights));
}

/// (sums + offset) * multiplier, in this order in fp32.
BITSMITH_INLINE __m512 scaled(__m512i sums, __m512 offset, __m512 multiplier) {
  return _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(sums), offset), multiplier);
}

/// The same rounded half to even, which must fit 32 bits.
BITSMITH_INLINE __m512i rounded(__m512i sums, __m512 offset, __m512 multiplier) {
  return _mm512_cvtps_epi32(scaled(sums, offset, multiplier));
}

/// 64 numbers of 16 bits as clamped bytes, within lanes of 128 bits: 8 of the first, 8 of the second.
template <typename Out>
BITSMITH_INLINE __m512i clamped_bytes(__m512i first, __m512i second, __m512i low, __m512i high) {
  if constexpr (std::is_same_v<Out, std::uint8_t>)
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(first, second), low), high);
  else
    return _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(first, second), low), high);
}

/// What packing four vectors of 32 bits to one of bytes has shuffled, in order again.
BITSMITH_INLINE __m512i unshuffled(__m512i bytes) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, bytes);
}

}  // namespace bitsmith::quant::avx512
