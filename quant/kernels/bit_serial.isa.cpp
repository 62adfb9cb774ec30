// Population counts of bit planes. Lanes are output channels, 32 bits of their weights at a time, and
// activations are broadcast: no sums across lanes. AVX-512 counts bits of words; AVX2 and scalar count those
// of bytes, and add bytes up while they cannot overflow.

#if defined(BITSMITH_ISA_avx512) || defined(BITSMITH_ISA_avx2)
#include <immintrin.h>
#endif

#include "quant/kernels/bit_serial_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

#if defined(BITSMITH_ISA_avx512)

constexpr int kMaxRows = 8;

template <int kPlanes>
void pack_planes(const std::uint8_t* from, std::int64_t n, std::int64_t stride, std::uint8_t* to) {
  __m512i bit[kPlanes];
#pragma GCC unroll 4
  for (int p = 0; p < kPlanes; ++p) bit[p] = _mm512_set1_epi8(static_cast<char>(1 << p));
  for (; n >= 64; n -= 64, from += 64, to += 8) {
    const __m512i x = _mm512_loadu_si512(from);
#pragma GCC unroll 4
    for (int p = 0; p < kPlanes; ++p) {
      const __mmask64 plane = _mm512_test_epi8_mask(x, bit[p]);
      __builtin_memcpy(to + p * stride, &plane, 8);
    }
  }
  if (n == 0) return;
  const __m512i x = _mm512_maskz_loadu_epi8((__mmask64{1} << n) - 1, from);
#pragma GCC unroll 4
  for (int p = 0; p < kPlanes; ++p) {
    __mmask64 plane = _mm512_test_epi8_mask(x, bit[p]);
    for (std::int64_t i = 0; i < (n + 7) / 8; ++i, plane >>= 8)
      to[p * stride + i] = static_cast<std::uint8_t>(plane);
  }
}

void pack(const std::uint8_t* from, std::int64_t n, int planes, std::int64_t stride, std::uint8_t* to) {
  switch (planes) {
    case 1:
      return pack_planes<1>(from, n, stride, to);
    case 2:
      return pack_planes<2>(from, n, stride, to);
    case 3:
      return pack_planes<3>(from, n, stride, to);
    default:
      return pack_planes<4>(from, n, stride, to);
  }
}

inline __m512i broadcast4(const std::uint8_t* at) {
  std::int32_t four;
  __builtin_memcpy(&four, at, 4);
  return _mm512_set1_epi32(four);
}

template <int kRows, int kVectors, int kForms>
void multiply_tile(const BitSerialProduct& product, const std::uint8_t* const* rows,
                   const std::uint32_t* weights, std::int32_t* sums) {
  constexpr int kSelect = 0x6A;  // (a & b) ^ c
  const std::uint8_t* row[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) row[r] = rows[r];
  __m512i acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_setzero_si512();
  for (int p = 0; p < product.pass_count; ++p) {
    const BitSerialPass& pass = product.passes[p];
    if (p > 0) {
      const __m512i sign = _mm512_set1_epi32(pass.negate ? -1 : 0);
      const __m128i doublings = _mm_cvtsi32_si128(pass.doublings);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const __m512i signed_sum = _mm512_sub_epi32(_mm512_xor_si512(acc[r][v], sign), sign);
          acc[r][v] = _mm512_maskz_sll_epi32(0xFFFF, signed_sum, doublings);
        }
    }
    const std::uint32_t* w = weights + pass.weights;
    for (int i = 0; i < product.word_count; ++i, w += 16 * kVectors * kForms) {
      const std::int64_t word = pass.activations + product.words[i];
      __m512i first[kVectors], second[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        first[v] = _mm512_loadu_si512(w + 16 * kForms * v);
        second[v] = kForms == 2 ? _mm512_loadu_si512(w + 16 * kForms * v + 16) : first[v];
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m512i bits = broadcast4(row[r] + word);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const __m512i products = kForms == 2 ? _mm512_ternarylogic_epi32(bits, first[v], second[v], kSelect)
                                               : _mm512_xor_si512(bits, first[v]);
          acc[r][v] = _mm512_add_epi32(acc[r][v], _mm512_popcnt_epi32(products));
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(sums + (r * kVectors + v) * 16, acc[r][v]);
}

#else

// Bits of bytes, at most 8 a time, fit into a byte 31 times.
constexpr int kMaxRows = 2, kByteSums = 31;

#if defined(BITSMITH_ISA_avx2)

void pack(const std::uint8_t* from, std::int64_t n, int planes, std::int64_t stride, std::uint8_t* to) {
  for (; n > 0; n -= 32, from += 32, to += 4) {
    const std::int64_t some = n < 32 ? n : 32;
    std::uint8_t last[32] = {};
    if (some < 32) __builtin_memcpy(last, from, static_cast<std::size_t>(some));
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(some < 32 ? last : from));
    for (int p = 0; p < planes; ++p) {
      const int plane = _mm256_movemask_epi8(_mm256_sll_epi16(x, _mm_cvtsi32_si128(7 - p)));
      __builtin_memcpy(to + p * stride, &plane, static_cast<std::size_t>((some + 7) / 8));
    }
  }
}

using Lanes = __m256i;
constexpr int kLanes = 8;

inline Lanes zero() { return _mm256_setzero_si256(); }
inline Lanes load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
inline void store(std::int32_t* at, Lanes v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), v); }
inline Lanes broadcast(std::int32_t v) { return _mm256_set1_epi32(v); }
inline Lanes bit_and(Lanes a, Lanes b) { return _mm256_and_si256(a, b); }
inline Lanes bit_xor(Lanes a, Lanes b) { return _mm256_xor_si256(a, b); }
inline Lanes add(Lanes a, Lanes b) { return _mm256_add_epi32(a, b); }
inline Lanes add_bytes(Lanes a, Lanes b) { return _mm256_add_epi8(a, b); }
inline Lanes subtract(Lanes a, Lanes b) { return _mm256_sub_epi32(a, b); }
inline Lanes shifted_left(Lanes a, int by) { return _mm256_sll_epi32(a, _mm_cvtsi32_si128(by)); }

inline Lanes bits_of_bytes(Lanes v) {
  const Lanes counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const Lanes nibble = _mm256_set1_epi8(0x0F);
  return _mm256_add_epi8(_mm256_shuffle_epi8(counts, _mm256_and_si256(v, nibble)),
                         _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
}

inline Lanes sum_of_bytes(Lanes v) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(v, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
}

#else

void pack(const std::uint8_t* from, std::int64_t n, int planes, std::int64_t stride, std::uint8_t* to) {
  for (; n > 0; n -= 8, from += 8, ++to) {
    std::uint64_t x = 0;
    for (int i = 0; i < 8 && i < n; ++i) x |= std::uint64_t{from[i]} << (8 * i);
    // Byte i's bit, at 8 i, comes to 56 + i.
    for (int p = 0; p < planes; ++p)
      to[p * stride] =
          static_cast<std::uint8_t>(((x >> p & 0x0101010101010101u) * 0x0102040810204080u) >> 56);
  }
}

using Lanes = std::uint32_t;
constexpr int kLanes = 1;

inline Lanes zero() { return 0; }
inline Lanes load(const void* at) {
  Lanes v;
  __builtin_memcpy(&v, at, 4);
  return v;
}
inline void store(std::int32_t* at, Lanes v) { __builtin_memcpy(at, &v, 4); }
inline Lanes broadcast(std::int32_t v) { return static_cast<Lanes>(v); }
inline Lanes bit_and(Lanes a, Lanes b) { return a & b; }
inline Lanes bit_xor(Lanes a, Lanes b) { return a ^ b; }
inline Lanes add(Lanes a, Lanes b) { return a + b; }
inline Lanes add_bytes(Lanes a, Lanes b) { return a + b; }
inline Lanes subtract(Lanes a, Lanes b) { return a - b; }
inline Lanes shifted_left(Lanes a, int by) { return a << by; }

inline Lanes bits_of_bytes(Lanes v) {
  v = v - (v >> 1 & 0x55555555u);
  v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);
  return (v + (v >> 4)) & 0x0F0F0F0Fu;
}

inline Lanes sum_of_bytes(Lanes v) {
  v = (v & 0x00FF00FFu) + (v >> 8 & 0x00FF00FFu);
  return (v + (v >> 16)) & 0xFFFFu;
}

#endif

template <int kRows, int kVectors, int kForms>
void multiply_tile(const BitSerialProduct& product, const std::uint8_t* const* rows,
                   const std::uint32_t* weights, std::int32_t* sums) {
  constexpr int kParts = 16 / kLanes * kVectors;
  Lanes total[kRows][kParts];
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kParts; ++c) total[r][c] = zero();
  for (int p = 0; p < product.pass_count; ++p) {
    const BitSerialPass& pass = product.passes[p];
    const Lanes sign = broadcast(pass.negate ? -1 : 0);
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kParts; ++c)
        total[r][c] = shifted_left(subtract(bit_xor(total[r][c], sign), sign), pass.doublings);
    const std::uint32_t* w = weights + pass.weights;
    Lanes bytes[kRows][kParts];
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kParts; ++c) bytes[r][c] = zero();
    const auto flush = [&] {
      for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kParts; ++c) {
          total[r][c] = add(total[r][c], sum_of_bytes(bytes[r][c]));
          bytes[r][c] = zero();
        }
    };
    int room = kByteSums;
    for (int i = 0; i < product.word_count; ++i, w += 16 * kVectors * kForms) {
      for (int r = 0; r < kRows; ++r) {
        std::int32_t word;
        __builtin_memcpy(&word, rows[r] + pass.activations + product.words[i], 4);
        const Lanes x = broadcast(word);
        for (int c = 0; c < kParts; ++c) {
          const std::uint32_t* digits = w + c * kLanes / 16 * 16 * kForms + c * kLanes % 16;
          const Lanes products =
              kForms == 2 ? bit_xor(bit_and(x, load(digits)), load(digits + 16)) : bit_xor(x, load(digits));
          bytes[r][c] = add_bytes(bytes[r][c], bits_of_bytes(products));
        }
      }
      if (--room == 0) {
        flush();
        room = kByteSums;
      }
    }
    flush();
  }
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kParts; ++c) store(sums + r * 16 * kVectors + c * kLanes, total[r][c]);
}

#endif

template <int kVectors, int kForms>
void multiply_rows(const BitSerialProduct& product, const std::uint8_t* const* rows, int count,
                   const std::uint32_t* weights, std::int32_t* sums) {
  const auto advance = [&](int n) {
    rows += n;
    sums += n * 16 * kVectors;
    count -= n;
  };
  for (; count >= kMaxRows; advance(kMaxRows))
    multiply_tile<kMaxRows, kVectors, kForms>(product, rows, weights, sums);
  if (kMaxRows > 4 && count >= 4)
    multiply_tile<4, kVectors, kForms>(product, rows, weights, sums), advance(4);
  if (kMaxRows > 2 && count >= 2)
    multiply_tile<2, kVectors, kForms>(product, rows, weights, sums), advance(2);
  if (count >= 1) multiply_tile<1, kVectors, kForms>(product, rows, weights, sums);
}

void multiply(const BitSerialProduct& product, const std::uint8_t* const* rows, int count,
              const std::uint32_t* weights, int vectors, std::int32_t* sums) {
  if (product.forms == 1)
    return vectors == 1 ? multiply_rows<1, 1>(product, rows, count, weights, sums)
                        : multiply_rows<2, 1>(product, rows, count, weights, sums);
  return vectors == 1 ? multiply_rows<1, 2>(product, rows, count, weights, sums)
                      : multiply_rows<2, 2>(product, rows, count, weights, sums);
}

}  // namespace

extern const BitSerialKernels bit_serial_kernels;
const BitSerialKernels bit_serial_kernels = {kMaxRows, pack, multiply};

}  // namespace bitsmith::quant::BITSMITH_ISA
