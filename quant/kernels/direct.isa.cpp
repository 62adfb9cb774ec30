#if defined(BITSMITH_ISA_avx512)

#include <immintrin.h>

#include <type_traits>

#include "quant/kernels/direct_kernels.hpp"
#include "quant/kernels/requantize_avx512.hpp"

namespace bitsmith::quant::avx512 {
namespace {

/// Pixels of a tile. With 4 vectors of channels: 24 of sums, 4 of weights, 1 of activations of 32 registers;
/// with one, as many sums as it takes to wait for none.
constexpr int most_pixels(int vectors) { return vectors == 1 ? 8 : 6; }

BITSMITH_INLINE __m512i broadcast4(const std::uint8_t* at) {
  std::int32_t four;
  __builtin_memcpy(&four, at, 4);
  return _mm512_set1_epi32(four);
}

BITSMITH_INLINE __mmask64 first_bits(int count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

template <int kPixels, int kVectors>
using Sums = __m512i[kPixels][kVectors];

template <int kPixels, int kVectors>
BITSMITH_INLINE void store_floats(const Sums<kPixels, kVectors>& sums, const DirectTiles& tiles,
                                  std::uint8_t* out) {
  const __m512 low = _mm512_set1_ps(tiles.low), high = _mm512_set1_ps(tiles.high);
  const __mmask64 inside = first_bits(tiles.channels);
  const std::int64_t step = tiles.out_pixel;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __m512 offset = _mm512_loadu_ps(tiles.offset + 16 * v);
    const __m512 multiplier = _mm512_loadu_ps(tiles.multiplier + 16 * v);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      // NaN stays NaN: the second operand.
      const __m512 above = _mm512_max_ps(low, scaled(sums[p][v], offset, multiplier));
      _mm512_mask_storeu_ps(reinterpret_cast<float*>(out + p * step) + 16 * v,
                            static_cast<__mmask16>(inside >> (16 * v)), _mm512_min_ps(high, above));
    }
  }
}

template <int kPixels, int kVectors, typename Out>
BITSMITH_INLINE void store_bytes(Sums<kPixels, kVectors>& sums, const DirectTiles& tiles, std::uint8_t* out) {
  const __m512i low = _mm512_set1_epi8(static_cast<char>(tiles.low_byte));
  const __m512i high = _mm512_set1_epi8(static_cast<char>(tiles.high_byte));
  const __mmask64 inside = first_bits(tiles.channels);
  const std::int64_t step = tiles.out_pixel;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __m512 offset = _mm512_loadu_ps(tiles.offset + 16 * v);
    const __m512 multiplier = _mm512_loadu_ps(tiles.multiplier + 16 * v);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) sums[p][v] = rounded(sums[p][v], offset, multiplier);
  }
  const __m512i none = _mm512_setzero_si512();
  const auto vector = [&](int p, int v) { return v < kVectors ? sums[p][v < kVectors ? v : 0] : none; };
#pragma GCC unroll 8
  for (int p = 0; p < kPixels; ++p) {
    const __m512i first = _mm512_packs_epi32(vector(p, 0), vector(p, 1));
    const __m512i second = kVectors > 2 ? _mm512_packs_epi32(vector(p, 2), vector(p, 3)) : none;
    _mm512_mask_storeu_epi8(out + p * step, inside, unshuffled(clamped_bytes<Out>(first, second, low, high)));
  }
}

template <int kPixels, int kVectors, typename Out>
void tile(const DirectTiles& tiles, const std::int64_t* pixel, std::uint8_t* out) {
  __m512i sums[kPixels][kVectors];
#pragma GCC unroll 8
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[p][v] = _mm512_loadu_si512(tiles.correction + 16 * v);
  const std::int8_t* weights = tiles.weights;
  const std::int64_t bytes = std::int64_t{tiles.quads} * 4;
  const std::uint8_t* x[kPixels];
#pragma GCC unroll 8
  for (int p = 0; p < kPixels; ++p) x[p] = tiles.in + pixel[p];
  for (const std::int64_t *run = tiles.run, *last = run + tiles.runs; run < last; ++run)
    for (std::int64_t k = *run, end = k + bytes; k < end; k += 4, weights += 64 * kVectors) {
      __m512i w[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        w[v] = _mm512_loadu_si512(weights + 64 * v);
        asm("" : "+v"(w[v]));  // GCC 12 would load it again for every pixel
      }
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; ++p) {
        const __m512i four = broadcast4(x[p] + k);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) add_products(sums[p][v], four, w[v]);
      }
    }
  if constexpr (std::is_same_v<Out, float>)
    store_floats<kPixels, kVectors>(sums, tiles, out);
  else
    store_bytes<kPixels, kVectors, Out>(sums, tiles, out);
}

template <int kVectors, typename Out>
void convolve_vectors(const DirectTiles& tiles) {
  const std::int64_t* pixel = tiles.pixel;
  std::uint8_t* out = tiles.out;
  int left = tiles.pixels;
  const auto advance = [&](int count) { pixel += count, out += count * tiles.out_pixel, left -= count; };
  constexpr int most = most_pixels(kVectors);
  // As few tiles as will do, some of them one pixel shorter: a last one of few pixels would be slow.
  const int shorter = (left + most - 1) / most * most - left;
  const bool even = shorter * (most - 1) <= left;
  for (int i = 0; even && i < shorter; ++i)
    tile<most - 1, kVectors, Out>(tiles, pixel, out), advance(most - 1);
  while (left >= most) tile<most, kVectors, Out>(tiles, pixel, out), advance(most);
  if (left >= 3) tile<3, kVectors, Out>(tiles, pixel, out), advance(3);
  while (left >= 1) tile<1, kVectors, Out>(tiles, pixel, out), advance(1);
}

template <typename Out>
void convolve(const DirectTiles& tiles) {
  switch (tiles.vectors) {
    case 1:
      return convolve_vectors<1, Out>(tiles);
    case 2:
      return convolve_vectors<2, Out>(tiles);
    case 3:
      return convolve_vectors<3, Out>(tiles);
    default:
      return convolve_vectors<4, Out>(tiles);
  }
}

}  // namespace

const DirectKernels direct_kernels = {convolve<float>, convolve<std::uint8_t>, convolve<std::int8_t>};

}  // namespace bitsmith::quant::avx512

#endif
