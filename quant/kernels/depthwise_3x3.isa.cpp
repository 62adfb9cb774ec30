#if defined(BITSMITH_ISA_avx512)

#include <immintrin.h>

#include "quant/kernels/depthwise_3x3_kernels.hpp"
#include "quant/kernels/requantize_avx512.hpp"

// Sums are named, never elements of an array: GCC 12 keeps these arrays of vectors in memory.

namespace bitsmith::quant::avx512 {
namespace {

/// 32 channels of two output rows (of one: only the first).
struct Vectors {
  __m512i first_low, first_high, second_low, second_high;
};

/// A column of four rows, side by side: [channel][row].
struct Column {
  __m512i low, high;
};

BITSMITH_INLINE __m512i two_rows(const std::uint8_t* first, const std::uint8_t* second) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second));
  return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

template <int kRows>
BITSMITH_INLINE void load(Vectors& to, const void* from) {
  const auto* bytes = static_cast<const char*>(from);
  to.first_low = _mm512_loadu_si512(bytes);
  to.first_high = _mm512_loadu_si512(bytes + 64);
  if constexpr (kRows == 2) {
    to.second_low = _mm512_loadu_si512(bytes + 3 * 128);
    to.second_high = _mm512_loadu_si512(bytes + 3 * 128 + 64);
  }
}

template <int kRows>
BITSMITH_INLINE void add(Vectors& sums, const Column& column, const Vectors& weights) {
  add_products(sums.first_low, column.low, weights.first_low);
  add_products(sums.first_high, column.high, weights.first_high);
  if constexpr (kRows == 2) {
    add_products(sums.second_low, column.low, weights.second_low);
    add_products(sums.second_high, column.high, weights.second_high);
  }
}

/// One convolution along a row: what stays in registers from column to column.
template <int kRows, bool kSigned, typename Out>
class Row {
 public:
  BITSMITH_INLINE explicit Row(const Depthwise3x3Rows& rows)
      : a_(rows.in[0]),
        b_(rows.in[1]),
        c_(rows.in[2]),
        d_(rows.in[3]),
        out_first_(rows.out[0]),
        out_second_(rows.out[1]),
        outside_(rows.outside),
        pixel_(rows.pixel),
        correction_(rows.correction),
        offset_low_(_mm512_loadu_ps(rows.offset)),
        offset_high_(_mm512_loadu_ps(rows.offset + 16)),
        multiplier_low_(_mm512_loadu_ps(rows.multiplier)),
        multiplier_high_(_mm512_loadu_ps(rows.multiplier + 16)),
        low_(_mm512_set1_epi8(static_cast<char>(rows.low))),
        high_(_mm512_set1_epi8(static_cast<char>(rows.high))) {
    load<kRows>(left_, rows.weights);
    load<kRows>(middle_, rows.weights + 128);
    load<kRows>(right_, rows.weights + 256);
  }

  BITSMITH_INLINE Column column(std::int64_t x, std::int64_t width) const {
    if (x < 0 || x >= width) return interleaved(outside_, outside_, outside_, outside_);
    const std::int64_t at = x * pixel_;
    return interleaved(a_ + at, b_ + at, c_ + at, d_ + at);
  }

  BITSMITH_INLINE void open(Vectors& sums) const {
    sums.first_low = _mm512_loadu_si512(correction_);
    sums.first_high = _mm512_loadu_si512(correction_ + 16);
    if constexpr (kRows == 2) {
      sums.second_low = sums.first_low;
      sums.second_high = sums.first_high;
    }
  }
  BITSMITH_INLINE void add_left(Vectors& sums, const Column& column) const {
    add<kRows>(sums, column, left_);
  }
  BITSMITH_INLINE void add_middle(Vectors& sums, const Column& column) const {
    add<kRows>(sums, column, middle_);
  }
  BITSMITH_INLINE void add_right(Vectors& sums, const Column& column) const {
    add<kRows>(sums, column, right_);
  }

  /// Output x of the row or rows.
  BITSMITH_INLINE void finish(const Vectors& sums, std::int64_t x) const {
    const __m512i first = requantized(sums.first_low, sums.first_high);
    __m512i second = first;
    if constexpr (kRows == 2) second = requantized(sums.second_low, sums.second_high);
    const __m512i bytes = unshuffled(clamped_bytes<Out>(first, second, low_, high_));
    const std::int64_t at = x * pixel_;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out_first_ + at), _mm512_castsi512_si256(bytes));
    if constexpr (kRows == 2)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out_second_ + at), _mm512_extracti64x4_epi64(bytes, 1));
  }

 private:
  static BITSMITH_INLINE Column interleaved(const std::uint8_t* a, const std::uint8_t* b,
                                            const std::uint8_t* c, const std::uint8_t* d) {
    const __m512i spread = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // Byte 4 k + r of a half is byte k of row r; rows are 32 bytes apart over both operands.
    const __m512i step = _mm512_set1_epi32(0x60402000);
    const __m512i k = _mm512_mullo_epi32(spread, _mm512_set1_epi32(0x01010101));
    const __m512i low = _mm512_or_si512(k, step);
    const __m512i high = _mm512_add_epi8(low, _mm512_set1_epi8(16));
    const __m512i ab = two_rows(a, b), cd = two_rows(c, d);
    Column column{_mm512_permutex2var_epi8(ab, low, cd), _mm512_permutex2var_epi8(ab, high, cd)};
    if constexpr (kSigned) {  // unsigned, 128 more
      column.low = _mm512_xor_si512(column.low, _mm512_set1_epi8(-128));
      column.high = _mm512_xor_si512(column.high, _mm512_set1_epi8(-128));
    }
    return column;
  }

  BITSMITH_INLINE __m512i requantized(__m512i low, __m512i high) const {
    return _mm512_packs_epi32(rounded(low, offset_low_, multiplier_low_),
                              rounded(high, offset_high_, multiplier_high_));
  }

  const std::uint8_t *a_, *b_, *c_, *d_;
  std::uint8_t *out_first_, *out_second_;
  const std::uint8_t* outside_;
  std::int64_t pixel_;
  const std::int32_t* correction_;
  __m512 offset_low_, offset_high_, multiplier_low_, multiplier_high_;
  __m512i low_, high_;
  Vectors left_, middle_, right_;  ///< weights of the window's columns
};

/// Goes over the input's columns from left to right, each read and interleaved once; the sums of the three
/// outputs that it is under stay in registers. The next column is on its way while this one is multiplied.
template <int kRows, bool kSigned, typename Out>
void convolve(const Depthwise3x3Rows& rows) {
  const Row<kRows, kSigned, Out> row(rows);
  const std::int64_t width = rows.width, outputs = rows.outputs, first = -std::int64_t{rows.pad};
  Column next = row.column(first, width);
  const auto step = [&](std::int64_t x, Vectors & opens, Vectors & goes_on, Vectors & closes)
      __attribute__((always_inline)) {
    const Column column = next;
    next = row.column(first + x + 1, width);
    row.open(opens);
    row.add_left(opens, column);
    row.add_middle(goes_on, column);
    row.add_right(closes, column);
    if (x >= 2) row.finish(closes, x - 2);
  };
  Vectors p, q, r;
  row.open(p), row.open(q), row.open(r);
  for (std::int64_t x = 0;;) {
    step(x, p, r, q);
    if (++x >= outputs + 2) break;
    step(x, q, p, r);
    if (++x >= outputs + 2) break;
    step(x, r, q, p);
    if (++x >= outputs + 2) break;
  }
}

/// With a stride of 2 an output shares only its right column with the next one.
template <bool kSigned, typename Out>
void convolve_strided(const Depthwise3x3Rows& rows) {
  const Row<1, kSigned, Out> row(rows);
  const std::int64_t width = rows.width, outputs = rows.outputs, first = -std::int64_t{rows.pad};
  Vectors sums;
  row.open(sums);
  row.add_left(sums, row.column(first, width));
  for (std::int64_t x = 0; x < outputs; ++x) {
    row.add_middle(sums, row.column(first + 2 * x + 1, width));
    const Column shared = row.column(first + 2 * x + 2, width);
    row.add_right(sums, shared);
    row.finish(sums, x);
    row.open(sums);
    row.add_left(sums, shared);
  }
}

template <int kRows>
constexpr Depthwise3x3Kernels::Forms forms() {
  return {convolve<kRows, false, std::uint8_t>, convolve<kRows, false, std::int8_t>,
          convolve<kRows, true, std::uint8_t>, convolve<kRows, true, std::int8_t>};
}

constexpr Depthwise3x3Kernels::Forms kStrided = {
    convolve_strided<false, std::uint8_t>, convolve_strided<false, std::int8_t>,
    convolve_strided<true, std::uint8_t>, convolve_strided<true, std::int8_t>};

}  // namespace

const Depthwise3x3Kernels depthwise_3x3_kernels = {forms<2>(), forms<1>(), kStrided};

}  // namespace bitsmith::quant::avx512

#endif
