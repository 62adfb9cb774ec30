// Rows of 8-bit activations times tiles of 8-, 4- or 2-bit weights. AVX-512 VNNI: bytes, 64 products an
// instruction; signed activations are stored + 128 and corrected afterwards. AVX2 and scalar: 16-bit pairs,
// whose products cannot saturate as pairs of bytes can.

#if defined(BITSMITH_ISA_avx512) || defined(BITSMITH_ISA_avx2)
#include <immintrin.h>
#endif

#include "quant/kernels/packed_gemm_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

#if defined(BITSMITH_ISA_avx512)

constexpr int kElementBytes = 1, kZero = 128, kMaxRows = 12;

void load_unsigned(const void* from, std::int64_t n, void* row) {
  const std::uint8_t* x = static_cast<const std::uint8_t*>(from);
  std::uint8_t* y = static_cast<std::uint8_t*>(row);
  for (std::int64_t i = 0; i < n; i += 64) {
    const __mmask64 mask = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    _mm512_mask_storeu_epi8(y + i, mask, _mm512_maskz_loadu_epi8(mask, x + i));
  }
}

void load_signed(const void* from, std::int64_t n, void* row) {
  const std::uint8_t* x = static_cast<const std::uint8_t*>(from);
  std::uint8_t* y = static_cast<std::uint8_t*>(row);
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  for (std::int64_t i = 0; i < n; i += 64) {
    const __mmask64 mask = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    _mm512_mask_storeu_epi8(y + i, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, x + i), flip));
  }
}

void decode_int4(const std::uint8_t* block, std::int64_t depth, int width, void* tile) {
  std::uint8_t* out = static_cast<std::uint8_t*>(tile);
  const __m512i low_bits = _mm512_set1_epi8(0x0F), sign = _mm512_set1_epi8(8);
  for (std::int64_t k = 0; k < depth; k += 8, out += 8 * width)
    for (int c = 0; c < width; c += 16, block += 64) {
      const __m512i pair = _mm512_loadu_si512(block);
      const __m512i low = _mm512_and_si512(pair, low_bits);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(pair, 4), low_bits);
      _mm512_storeu_si512(out + 4 * c, _mm512_sub_epi8(_mm512_xor_si512(low, sign), sign));
      _mm512_storeu_si512(out + 4 * (width + c), _mm512_sub_epi8(_mm512_xor_si512(high, sign), sign));
    }
}

void decode_int2(const std::uint8_t* block, std::int64_t depth, int width, void* tile) {
  std::uint8_t* out = static_cast<std::uint8_t*>(tile);
  const __m512i low_bits = _mm512_set1_epi8(3), two = _mm512_set1_epi8(2);
  for (std::int64_t k = 0; k < depth; k += 16, out += 16 * width)
    for (int c = 0; c < width; c += 16, block += 64) {
      __m512i four = _mm512_loadu_si512(block);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j, four = _mm512_srli_epi16(four, 2))
        _mm512_storeu_si512(out + 4 * (j * width + c),
                            _mm512_sub_epi8(_mm512_and_si512(four, low_bits), two));
    }
}

inline __m512i broadcast4(const std::uint8_t* at) {
  std::int32_t four;
  __builtin_memcpy(&four, at, 4);
  return _mm512_set1_epi32(four);
}

// acc += u8 * s8. As an instruction, as gcc 12 copies accumulators each time round its loops where it has the
// intrinsic, and then lacks registers.
inline void add_products(__m512i& acc, __m512i unsigned_bytes, __m512i signed_bytes) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(unsigned_bytes), "v"(signed_bytes));
}

// In the masked form, as gcc 12 warns of its own header's unmasked one (gcc bug 105593).
template <int kBy>
inline __m512i shifted_right(__m512i v) {
  return _mm512_maskz_srai_epi32(0xFFFF, v, kBy);
}

template <int kRows, int kVectors>
void multiply_tile(const std::uint8_t* rows, std::int64_t row_bytes, const std::uint8_t* tile,
                   std::int64_t depth, std::int32_t* sums) {
  __m512i acc[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_setzero_si512();
  for (std::int64_t k = 0; k < depth; k += 4, tile += 64 * kVectors) {
    __m512i w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(tile + 64 * v);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = broadcast4(rows + r * row_bytes + k);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], x, w[v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(sums + (r * kVectors + v) * 16, acc[r][v]);
}

// Nibbles stay in the high half of their bytes, so that weights count 16-fold until the end (XNNPACK's qc4w
// trick).
template <int kRows, int kVectors>
void multiply_block(const std::uint8_t* rows, std::int64_t row_bytes, const std::uint8_t* block,
                    std::int64_t depth, std::int32_t* sums) {
  const __m512i high_bits = _mm512_set1_epi8(static_cast<char>(0xF0));
  __m512i even[kRows][kVectors], odd[kRows][kVectors];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) even[r][v] = odd[r][v] = _mm512_setzero_si512();
  for (std::int64_t k = 0; k < depth; k += 8, block += 64 * kVectors) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512i pair = _mm512_loadu_si512(block + 64 * v);
      const __m512i low = _mm512_and_si512(_mm512_slli_epi16(pair, 4), high_bits);
      const __m512i high = _mm512_and_si512(pair, high_bits);
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const std::uint8_t* row = rows + r * row_bytes + k;
        even[r][v] = _mm512_dpbusd_epi32(even[r][v], broadcast4(row), low);
        odd[r][v] = _mm512_dpbusd_epi32(odd[r][v], broadcast4(row + 4), high);
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      _mm512_storeu_si512(sums + (r * kVectors + v) * 16,
                          shifted_right<4>(_mm512_add_epi32(even[r][v], odd[r][v])));
}

// Weights, stored with 2 added, are the unsigned side of the dot product, so that they need no shift: pair j
// of bits, where it lies, counts 4^j-fold until the end. Activations, less 128, are the signed side.
template <int kVectors>
void multiply_pairs(const std::uint8_t* row, const std::uint8_t* block, std::int64_t depth,
                    std::int32_t* sums) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80)), two = _mm512_set1_epi8(2);
  __m512i parts = _mm512_setzero_si512();  // of twice the activations' sum
  for (std::int64_t k = 0; k < depth; k += 64) {
    const __mmask64 inside = depth - k >= 64 ? ~__mmask64{0} : (__mmask64{1} << (depth - k)) - 1;
    const __m512i x = _mm512_maskz_loadu_epi8(inside, row + k);
    parts = _mm512_dpbusd_epi32(parts, two, _mm512_maskz_mov_epi8(inside, _mm512_xor_si512(x, flip)));
  }
  std::int32_t part[16], total = 0;
  _mm512_storeu_si512(part, parts);
  for (int i = 0; i < 16; ++i) total += part[i];
  const __m512i doubled = _mm512_set1_epi32(total);
  __m512i mask[4], acc[4][kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    mask[j] = _mm512_set1_epi8(static_cast<char>(3 << (2 * j)));
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[j][v] = _mm512_setzero_si512();
  }
  for (std::int64_t k = 0; k < depth; k += 16, block += 64 * kVectors) {
    __m512i four[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) four[v] = _mm512_loadu_si512(block + 64 * v);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i x = _mm512_xor_si512(broadcast4(row + k + 4 * j), flip);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) add_products(acc[j][v], _mm512_and_si512(four[v], mask[j]), x);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __m512i low = _mm512_add_epi32(acc[0][v], shifted_right<2>(acc[1][v]));
    const __m512i high = _mm512_add_epi32(shifted_right<4>(acc[2][v]), shifted_right<6>(acc[3][v]));
    _mm512_storeu_si512(sums + 16 * v, _mm512_sub_epi32(_mm512_add_epi32(low, high), doubled));
  }
}

template <int kVectors>
void multiply_width(const std::uint8_t* rows, std::int64_t row_bytes, int count, const std::uint8_t* tile,
                    std::int64_t depth, std::int32_t* sums) {
  constexpr int kMost = kVectors <= 2 ? 12 : 6;
  const auto advance = [&](int n) {
    rows += n * row_bytes;
    sums += n * kVectors * 16;
    count -= n;
  };
  while (count >= kMost) multiply_tile<kMost, kVectors>(rows, row_bytes, tile, depth, sums), advance(kMost);
  if (kMost > 6 && count >= 6) multiply_tile<6, kVectors>(rows, row_bytes, tile, depth, sums), advance(6);
  if (count >= 4) multiply_tile<4, kVectors>(rows, row_bytes, tile, depth, sums), advance(4);
  if (count >= 2) multiply_tile<2, kVectors>(rows, row_bytes, tile, depth, sums), advance(2);
  if (count >= 1) multiply_tile<1, kVectors>(rows, row_bytes, tile, depth, sums);
}

template <int kVectors>
void multiply_width_int4(const std::uint8_t* rows, std::int64_t row_bytes, int count,
                         const std::uint8_t* block, std::int64_t depth, std::int32_t* sums) {
  for (; count >= 2; count -= 2, rows += 2 * row_bytes, sums += 2 * kVectors * 16)
    multiply_block<2, kVectors>(rows, row_bytes, block, depth, sums);
  if (count == 1) multiply_block<1, kVectors>(rows, row_bytes, block, depth, sums);
}

void multiply(const void* rows, std::int64_t row_bytes, int count, const void* tile, std::int64_t depth,
              int width, std::int32_t* sums) {
  const std::uint8_t* x = static_cast<const std::uint8_t*>(rows);
  const std::uint8_t* w = static_cast<const std::uint8_t*>(tile);
  switch (width / 16) {
    case 1:
      return multiply_width<1>(x, row_bytes, count, w, depth, sums);
    case 2:
      return multiply_width<2>(x, row_bytes, count, w, depth, sums);
    case 3:
      return multiply_width<3>(x, row_bytes, count, w, depth, sums);
    default:
      return multiply_width<4>(x, row_bytes, count, w, depth, sums);
  }
}

void multiply_int4(const void* rows, std::int64_t row_bytes, int count, const std::uint8_t* block,
                   std::int64_t depth, int width, std::int32_t* sums) {
  const std::uint8_t* x = static_cast<const std::uint8_t*>(rows);
  switch (width / 16) {
    case 1:
      return multiply_width_int4<1>(x, row_bytes, count, block, depth, sums);
    case 2:
      return multiply_width_int4<2>(x, row_bytes, count, block, depth, sums);
    case 3:
      return multiply_width_int4<3>(x, row_bytes, count, block, depth, sums);
    default:
      return multiply_width_int4<4>(x, row_bytes, count, block, depth, sums);
  }
}

void multiply_int2(const void* rows, std::int64_t row_bytes, int count, const std::uint8_t* block,
                   std::int64_t depth, int width, std::int32_t* sums) {
  const std::uint8_t* x = static_cast<const std::uint8_t*>(rows);
  for (; count >= 1; --count, x += row_bytes, sums += width) switch (width / 16) {
      case 1:
        multiply_pairs<1>(x, block, depth, sums);
        break;
      case 2:
        multiply_pairs<2>(x, block, depth, sums);
        break;
      case 3:
        multiply_pairs<3>(x, block, depth, sums);
        break;
      default:
        multiply_pairs<4>(x, block, depth, sums);
    }
}

constexpr auto kDecodeInt8 = static_cast<void (*)(const std::uint8_t*, std::int64_t, int, void*)>(nullptr);
constexpr auto kMultiplyInt4 = multiply_int4, kMultiplyInt2 = multiply_int2;

#else

constexpr int kElementBytes = 2, kZero = 0, kMaxRows = 12;

void load_unsigned(const void* from, std::int64_t n, void* row) {
  const std::uint8_t* x = static_cast<const std::uint8_t*>(from);
  std::int16_t* y = static_cast<std::int16_t*>(row);
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i];
}

void load_signed(const void* from, std::int64_t n, void* row) {
  const std::int8_t* x = static_cast<const std::int8_t*>(from);
  std::int16_t* y = static_cast<std::int16_t*>(row);
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i];
}

// Tiles are [depth / 2][width][2].
void decode_int8(const std::uint8_t* block, std::int64_t depth, int width, void* tile) {
  std::int16_t* out = static_cast<std::int16_t*>(tile);
  const std::int8_t* w = reinterpret_cast<const std::int8_t*>(block);
  for (std::int64_t k = 0; k < depth; k += 4, w += 4 * width, out += 4 * width)
    for (int c = 0; c < width; ++c) {
      out[2 * c] = w[4 * c];
      out[2 * c + 1] = w[4 * c + 1];
      out[2 * (width + c)] = w[4 * c + 2];
      out[2 * (width + c) + 1] = w[4 * c + 3];
    }
}

void decode_int4(const std::uint8_t* block, std::int64_t depth, int width, void* tile) {
  std::int16_t* out = static_cast<std::int16_t*>(tile);
  for (std::int64_t k = 0; k < depth; k += 8, block += 4 * width, out += 8 * width)
    for (int c = 0; c < width; ++c)
      for (int half = 0; half < 2; ++half)
        for (int j = 0; j < 4; ++j) {
          const int bits = block[4 * c + j] >> (4 * half) & 0x0F;
          out[2 * ((2 * half + j / 2) * width + c) + j % 2] = static_cast<std::int16_t>((bits ^ 8) - 8);
        }
}

void decode_int2(const std::uint8_t* block, std::int64_t depth, int width, void* tile) {
  std::int16_t* out = static_cast<std::int16_t*>(tile);
  for (std::int64_t k = 0; k < depth; k += 16, block += 4 * width, out += 16 * width)
    for (int c = 0; c < width; ++c)
      for (int quarter = 0; quarter < 4; ++quarter)
        for (int j = 0; j < 4; ++j)
          out[2 * ((2 * quarter + j / 2) * width + c) + j % 2] =
              static_cast<std::int16_t>((block[4 * c + j] >> (2 * quarter) & 3) - 2);
}

#if defined(BITSMITH_ISA_avx2)

template <int kRows>
void multiply_rows(const std::int16_t* rows, std::int64_t stride, const std::int16_t* tile,
                   std::int64_t depth, int width, std::int32_t* sums) {
  for (int c = 0; c < width; c += 16) {
    __m256i acc[kRows][2];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
    const std::int16_t* w = tile + 2 * c;
    for (std::int64_t k = 0; k < depth; k += 2, w += 2 * width) {
      const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 16));
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        std::int32_t pair;
        __builtin_memcpy(&pair, rows + r * stride + k, 4);
        const __m256i x = _mm256_set1_epi32(pair);
        acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(x, w0));
        acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(x, w1));
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * width + c), acc[r][0]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * width + c + 8), acc[r][1]);
    }
  }
}

#else

template <int kRows>
void multiply_rows(const std::int16_t* rows, std::int64_t stride, const std::int16_t* tile,
                   std::int64_t depth, int width, std::int32_t* sums) {
  for (int i = 0; i < kRows * width; ++i) sums[i] = 0;
  for (std::int64_t k = 0; k < depth; k += 2, tile += 2 * width)
    for (int r = 0; r < kRows; ++r) {
      const std::int32_t x0 = rows[r * stride + k], x1 = rows[r * stride + k + 1];
      std::int32_t* sum = sums + r * width;
      for (int c = 0; c < width; ++c) sum[c] += x0 * tile[2 * c] + x1 * tile[2 * c + 1];
    }
}

#endif

void multiply(const void* rows, std::int64_t row_bytes, int count, const void* tile, std::int64_t depth,
              int width, std::int32_t* sums) {
  const std::int16_t* x = static_cast<const std::int16_t*>(rows);
  const std::int16_t* w = static_cast<const std::int16_t*>(tile);
  const std::int64_t stride = row_bytes / 2;
  for (; count >= 4; count -= 4, x += 4 * stride, sums += 4 * width)
    multiply_rows<4>(x, stride, w, depth, width, sums);
  for (; count >= 1; --count, x += stride, sums += width) multiply_rows<1>(x, stride, w, depth, width, sums);
}

constexpr auto kDecodeInt8 = decode_int8;
constexpr auto kMultiplyInt4 = static_cast<void (*)(const void*, std::int64_t, int, const std::uint8_t*,
                                                    std::int64_t, int, std::int32_t*)>(nullptr);
constexpr auto kMultiplyInt2 = kMultiplyInt4;

#endif

}  // namespace

extern const PackedGemmKernels packed_gemm_kernels;
const PackedGemmKernels packed_gemm_kernels = {kElementBytes, kZero,         kMaxRows,     load_unsigned,
                                               load_signed,   kDecodeInt8,   decode_int4,  decode_int2,
                                               multiply,      kMultiplyInt4, kMultiplyInt2};

}  // namespace bitsmith::quant::BITSMITH_ISA
