#if defined(BITSMITH_ISA_avx512)
#include <immintrin.h>
#endif

#include "quant/kernels/depthwise_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

constexpr int kTaps = DepthwiseKernels::kTaps;

#if defined(BITSMITH_ISA_avx512)

// Bytes are interleaved within lanes of 128 bits; so that channels come out in order, lane L takes channels
// 16 p + 4 L .. + 3 as its p-th four.
inline __m512i load(const std::uint8_t* from, __mmask64 inside, __m512i flip) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_xor_si512(_mm512_maskz_loadu_epi8(inside, from), flip);
  return _mm512_maskz_permutexvar_epi32(0xFFFF, order, bytes);
}

void interleave(const std::uint8_t* const* rows, std::int64_t stride, int columns, int channels, int width,
                std::uint8_t flip, std::uint8_t* out, std::int64_t step) {
  const __mmask64 inside = channels >= 64 ? ~__mmask64{0} : (__mmask64{1} << channels) - 1;
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  for (int column = 0; column < columns; ++column, out += step) {
    const std::int64_t at = column * stride;
    const __m512i a = load(rows[0] + at, inside, flips), b = load(rows[1] + at, inside, flips);
    const __m512i c = load(rows[2] + at, inside, flips), d = load(rows[3] + at, inside, flips);
    const __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
    _mm512_storeu_si512(out, _mm512_unpacklo_epi16(ab, cd));
    if (width > 16) _mm512_storeu_si512(out + 64, _mm512_unpackhi_epi16(ab, cd));
    if (width <= 32) continue;
    const __m512i ab_high = _mm512_unpackhi_epi8(a, b), cd_high = _mm512_unpackhi_epi8(c, d);
    _mm512_storeu_si512(out + 128, _mm512_unpacklo_epi16(ab_high, cd_high));
    if (width > 48) _mm512_storeu_si512(out + 192, _mm512_unpackhi_epi16(ab_high, cd_high));
  }
}

/// total += bytes * weights, in place: GCC 12 keeps copies of sums that its intrinsics update.
inline void add_products(__m512i& total, __m512i bytes, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(total) : "v"(bytes), "v"(weights));
}

template <int kVectors, int kPixels>
void multiply_block(const std::uint8_t* column, std::int64_t step, const std::int64_t* offset, int taps,
                    const std::int8_t* weights, std::int32_t* sums) {
  __m512i total[kPixels][kVectors];
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) total[p][v] = _mm512_setzero_si512();
  for (int tap = 0; tap < taps; ++tap, weights += 64 * kVectors) {
    const std::uint8_t* from = column + offset[tap];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512i weight = _mm512_loadu_si512(weights + 64 * v);
#pragma GCC unroll 4
      for (int p = 0; p < kPixels; ++p)
        add_products(total[p][v], _mm512_loadu_si512(from + p * step + 64 * v), weight);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(sums + (p * kVectors + v) * 16, total[p][v]);
}

template <int kVectors>
void multiply_vectors(const std::uint8_t* column, std::int64_t step, const std::int64_t* offset, int taps,
                      const std::int8_t* weights, int pixels, std::int32_t* sums) {
  constexpr int kPixels = 4;
  int p = 0;
  for (; p + kPixels <= pixels; p += kPixels)
    multiply_block<kVectors, kPixels>(column + p * step, step, offset, taps, weights,
                                      sums + p * kVectors * 16);
  for (; p < pixels; ++p)
    multiply_block<kVectors, 1>(column + p * step, step, offset, taps, weights, sums + p * kVectors * 16);
}

void multiply(const std::uint8_t* column, std::int64_t step, const std::int64_t* offset, int taps,
              const std::int8_t* weights, int width, int pixels, std::int32_t* sums) {
  if (width == 64) return multiply_vectors<4>(column, step, offset, taps, weights, pixels, sums);
  if (width == 48) return multiply_vectors<3>(column, step, offset, taps, weights, pixels, sums);
  if (width == 32) return multiply_vectors<2>(column, step, offset, taps, weights, pixels, sums);
  multiply_vectors<1>(column, step, offset, taps, weights, pixels, sums);
}

#else

void interleave(const std::uint8_t* const* rows, std::int64_t stride, int columns, int channels, int width,
                std::uint8_t flip, std::uint8_t* out, std::int64_t step) {
  for (int column = 0; column < columns; ++column, out += step) {
    for (int tap = 0; tap < kTaps; ++tap) {
      const std::uint8_t* row = rows[tap] + column * stride;
      for (int c = 0; c < channels; ++c) out[c * kTaps + tap] = static_cast<std::uint8_t>(row[c] ^ flip);
      for (int c = channels; c < width; ++c) out[c * kTaps + tap] = 0;
    }
  }
}

void multiply(const std::uint8_t* column, std::int64_t step, const std::int64_t* offset, int taps,
              const std::int8_t* weights, int width, int pixels, std::int32_t* sums) {
  for (int p = 0; p < pixels; ++p, column += step, sums += width) {
    for (int c = 0; c < width; ++c) sums[c] = 0;
    for (int tap = 0; tap < taps; ++tap) {
      const std::uint8_t* x = column + offset[tap];
      const std::int8_t* w = weights + std::int64_t{tap} * width * kTaps;
      for (int c = 0; c < width; ++c) {
        std::int32_t sum = 0;
        for (int t = 0; t < kTaps; ++t)
          sum += static_cast<std::int32_t>(x[c * kTaps + t]) * static_cast<std::int32_t>(w[c * kTaps + t]);
        sums[c] += sum;
      }
    }
  }
}

#endif

}  // namespace

extern const DepthwiseKernels depthwise_kernels;
const DepthwiseKernels depthwise_kernels = {interleave, multiply};

}  // namespace bitsmith::quant::BITSMITH_ISA
