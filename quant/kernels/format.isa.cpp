// Plain loops that the compiler vectorises for each instruction set, in short turns with what reads memory
// ahead and writes past the caches, so that the two overlap. No product is added to anything, so fused
// multiply-adds cannot change a bit.

#include <immintrin.h>

#include <type_traits>

#include "quant/kernels/format_kernels.hpp"

// Loops are compiled for a constant number of elements only where they are inlined.
#define BITSMITH_INLINE __attribute__((always_inline)) inline
#define BITSMITH_INLINE_LAMBDA __attribute__((always_inline))

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even, for |v| < 2^22.
constexpr float kRounder = 12582912.0f;
constexpr std::int32_t kMantissaBits = 23, kExponentBias = 127;
constexpr std::uint32_t kMagnitude = 0x7fffffff, kExponent = 0x7f800000;
constexpr std::int64_t kLineBytes = 64, kLine = kLineBytes / sizeof(float);
constexpr std::int64_t kTurn = 4 * kLine;    // elements between reading ahead and writing
constexpr std::int64_t kBlock = 32;          // of OCP MX
constexpr std::int32_t kLargestScale = 254;  // the one above is NaN
// Exponents of a block's largest number at which all that is computed from it is a normal number.
constexpr std::int32_t kLeastField = 40, kMostField = 220;

inline std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
inline float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

std::uint32_t largest_magnitude(const float* x, std::int64_t n) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t magnitude = bits_of(x[i]) & kMagnitude;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

/// 16 floats, a whole line of the cache, past it. `to` is the line's address.
inline void stream_line(const float* from, float* to) {
#if defined(BITSMITH_ISA_avx512)
  _mm512_stream_ps(to, _mm512_loadu_ps(from));
#elif defined(BITSMITH_ISA_avx2)
  for (int i = 0; i < kLine; i += 8) _mm256_stream_ps(to + i, _mm256_loadu_ps(from + i));
#else
  for (int i = 0; i < kLine; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
#endif
}

/// Fetching never faults, so it may go beyond the tensor.
inline void read_ahead(const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(x + i, 0, 2);
}

/// Elements beyond a format's ends, counted apart for each place in a turn: one sum at the end.
struct Clipped {
  alignas(kLineBytes) std::int32_t lanes[kTurn] = {};

  std::int64_t sum() const {
    std::int64_t all = 0;
    for (std::int32_t lane : lanes) all += lane;
    return all;
  }
};

/// `loop(has_bytes, has_values, x, n, clipped, bytes, values)` on stretches of x, all but the first and the
/// last kTurn long, those shorter. Returns how many were clipped.
template <bool kBytes, bool kValues, bool kStreams, typename Loop>
inline std::int64_t turns_of(const float* x, std::int64_t n, std::int64_t ahead, FormatOutput out,
                             const Loop& loop) {
  constexpr std::bool_constant<kBytes> has_bytes;
  constexpr std::bool_constant<kValues> has_values;
  const auto bytes_at = [&](std::int64_t i) { return kBytes ? out.bytes + i : nullptr; };
  const auto values_at = [&](std::int64_t i) { return kValues ? out.values + i : nullptr; };
  Clipped clipped;
  std::int64_t i = 0;
  if (kStreams) {
    const auto into_line =
        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(out.values) % kLineBytes / sizeof(float));
    i = into_line == 0 ? 0 : kLine - into_line;
    i = i < n ? i : n;
    loop(has_bytes, has_values, x, i, clipped, bytes_at(0), values_at(0));
  }
  for (; i + kTurn <= n; i += kTurn) {
    read_ahead(x + i + ahead, kTurn);
    if constexpr (kStreams) {
      alignas(kLineBytes) float held[kTurn];
      loop(has_bytes, has_values, x + i, std::int64_t{kTurn}, clipped, bytes_at(i), held);
      for (std::int64_t line = 0; line < kTurn; line += kLine)
        stream_line(held + line, out.values + i + line);
    } else {
      loop(has_bytes, has_values, x + i, std::int64_t{kTurn}, clipped, bytes_at(i), values_at(i));
    }
  }
  loop(has_bytes, has_values, x + i, n - i, clipped, bytes_at(i), values_at(i));
  return clipped.sum();
}

template <typename Loop>
inline std::int64_t in_turns(const float* x, std::int64_t n, std::int64_t ahead, FormatOutput out,
                             const Loop& loop) {
  if (out.values == nullptr) return turns_of<true, false, false>(x, n, ahead, out, loop);
  if (out.bytes == nullptr)
    return out.streams ? turns_of<false, true, true>(x, n, ahead, out, loop)
                       : turns_of<false, true, false>(x, n, ahead, out, loop);
  return out.streams ? turns_of<true, true, true>(x, n, ahead, out, loop)
                     : turns_of<true, true, false>(x, n, ahead, out, loop);
}

template <bool kBytes, bool kValues>
BITSMITH_INLINE void uniform_loop(const float* __restrict x, std::int64_t n, UniformGrid grid,
                                  Clipped& clipped, std::uint8_t* __restrict bytes,
                                  float* __restrict values) {
  const float low = static_cast<float>(grid.low - grid.zero_point);
  const float high = static_cast<float>(grid.high - grid.zero_point);
  for (std::int64_t i = 0; i < n; ++i) {
    float v = x[i] / grid.scale;
    v = v < low - 1 ? low - 1 : v;
    v = v > high + 1 ? high + 1 : v;
    v = (v + kRounder) - kRounder;
    clipped.lanes[i] += (v < low) | (v > high);
    v = v < low ? low : v;
    v = v > high ? high : v;
    if constexpr (kBytes)
      bytes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(v) + grid.zero_point);
    if constexpr (kValues) values[i] = v * grid.scale;
  }
}

std::int64_t uniform(const float* x, std::int64_t n, std::int64_t ahead, UniformGrid grid, FormatOutput out) {
  return in_turns(x, n, ahead, out,
                  [&](auto has_bytes, auto has_values, const float* from, std::int64_t count,
                      Clipped& clipped, std::uint8_t* bytes, float* values) BITSMITH_INLINE_LAMBDA {
                    uniform_loop<has_bytes.value, has_values.value>(from, count, grid, clipped, bytes,
                                                                    values);
                  });
}

struct Rounded {
  std::int32_t code;  // without sign, perhaps above the largest
  float value;        // likewise
};

/// Numbers of one exponent are whole multiples of one step, the last place of 2^(exponent + 23 - mantissa
/// bits); adding that rounds to it, and what the sum's bits grew by is the multiple. Below `least`, the bits
/// of the lowest normal exponent, the step stays as it is.
inline Rounded rounded(std::uint32_t magnitude, std::uint32_t least, std::int32_t mantissa_bits) {
  const std::uint32_t exponent = magnitude & kExponent;
  const std::uint32_t at = exponent > least ? exponent : least;
  const std::uint32_t magic =
      at + (static_cast<std::uint32_t>(kMantissaBits - mantissa_bits) << kMantissaBits);
  const float sum = float_of(magnitude) + float_of(magic);
  const std::uint32_t code = ((at - least) >> (kMantissaBits - mantissa_bits)) + (bits_of(sum) - magic);
  return {static_cast<std::int32_t>(code), sum - float_of(magic)};
}

/// Elements x[i] / scale; their exponents below that of `least` are subnormal, values are cut at `largest`
/// and multiplied by `scale` again.
template <bool kScaled, bool kBytes, bool kValues>
BITSMITH_INLINE void minifloat_loop(const float* __restrict x, std::int64_t n, MinifloatShape shape,
                                    std::uint32_t least, float largest, float scale, Clipped& clipped,
                                    std::uint8_t* __restrict bytes, float* __restrict values) {
  const std::int32_t sign_shift = 31 - shape.exponent_bits - shape.mantissa_bits;
  const std::int32_t mantissa_bits = shape.mantissa_bits, largest_code = shape.largest_code;
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = kScaled ? x[i] / scale : x[i];
    const std::uint32_t sign = bits_of(v) & ~kMagnitude;
    const Rounded to = rounded(bits_of(v) & kMagnitude, least, mantissa_bits);
    clipped.lanes[i] += to.code > largest_code;
    if constexpr (kBytes) {
      const std::int32_t code = to.code > largest_code ? largest_code : to.code;
      bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(code) | (sign >> sign_shift));
    }
    if constexpr (kValues) {
      const float value = float_of(bits_of(to.value > largest ? largest : to.value) | sign);
      values[i] = kScaled ? value * scale : value;
    }
  }
}

std::int64_t minifloat(const float* x, std::int64_t n, std::int64_t ahead, MinifloatShape shape, float scale,
                       FormatOutput out) {
  const std::uint32_t least = static_cast<std::uint32_t>(kExponentBias + 1 - shape.bias) << kMantissaBits;
  return in_turns(x, n, ahead, out,
                  [&](auto has_bytes, auto has_values, const float* from, std::int64_t count,
                      Clipped& clipped, std::uint8_t* bytes, float* values) BITSMITH_INLINE_LAMBDA {
                    minifloat_loop<true, has_bytes.value, has_values.value>(
                        from, count, shape, least, shape.largest, scale, clipped, bytes, values);
                  });
}

/// `n` is a constant where it matters. False for a block that is not for these loops.
template <bool kBytes, bool kValues>
BITSMITH_INLINE bool mx_block(const float* x, std::int64_t n, MinifloatShape shape, std::int32_t* scale,
                              Clipped& clipped, std::uint8_t* bytes, float* values) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t magnitude = bits_of(x[i]) & kMagnitude;
    largest = magnitude > largest ? magnitude : largest;
  }
  const std::int32_t field = static_cast<std::int32_t>(largest >> kMantissaBits);
  if (largest != 0 && (field < kLeastField || field > kMostField)) return false;
  // In a block of zeros any normal exponent rounds zeros to zeros.
  const std::int32_t at = largest == 0 ? kExponentBias : field - shape.largest_exponent;
  *scale = largest == 0 ? 0 : at;
  const std::uint32_t least = static_cast<std::uint32_t>(at + 1 - shape.bias) << kMantissaBits;
  const float most = shape.largest * float_of(static_cast<std::uint32_t>(at) << kMantissaBits);
  minifloat_loop<false, kBytes, kValues>(x, n, shape, least, most, 1, clipped, bytes, values);
  return true;
}

/// Blocks lie where they lie, lines of the cache elsewhere: a block is held behind the end of the line before
/// it.
class StreamedBlocks {
 public:
  explicit StreamedBlocks(float* to)
      : before_(static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to) % kLineBytes / sizeof(float))),
        to_(to - before_),
        skip_(before_) {}

  float* place() { return held_ + before_; }

  void send_block() {
    std::int64_t from = 0;
    if (skip_ > 0) {  // the first line is not all ours
      send_singly(kLine);
      from = kLine;
    }
    for (; from < kBlock; from += kLine) stream_line(held_ + from, to_ + from);
    for (std::int64_t i = 0; i < kLine; ++i) held_[i] = held_[kBlock + i];
    to_ += kBlock;
  }

  /// The last line, with `n` elements at place().
  void send_rest(std::int64_t n) { send_singly(before_ + n); }

 private:
  void send_singly(std::int64_t end) {
    for (std::int64_t i = skip_; i < end; ++i) to_[i] = held_[i];
    skip_ = 0;
  }

  alignas(kLineBytes) float held_[kBlock + kLine];
  std::int64_t before_;
  float* to_;
  std::int64_t skip_;
};

template <bool kBytes, bool kValues, bool kStreams>
inline std::int64_t mx_loop(const float* x, std::int64_t n, std::int64_t ahead, MinifloatShape shape,
                            std::int32_t* scales, FormatOutput out) {
  StreamedBlocks streamed(out.values);
  Clipped clipped;
  std::int64_t from = 0;
  const auto block = [&](std::int64_t count) BITSMITH_INLINE_LAMBDA {
    return mx_block<kBytes, kValues>(x + from, count, shape, scales++, clipped,
                                     kBytes ? out.bytes + from : nullptr,
                                     kStreams  ? streamed.place()
                                     : kValues ? out.values + from
                                               : nullptr);
  };
  for (; from + kBlock <= n; from += kBlock) {
    read_ahead(x + from + ahead, kBlock);
    if (!block(std::int64_t{kBlock})) return -1;
    if (kStreams) streamed.send_block();
  }
  if (from < n && !block(n - from)) return -1;
  if (kStreams) streamed.send_rest(n - from);
  return clipped.sum();
}

std::int64_t mx(const float* x, std::int64_t n, std::int64_t ahead, MinifloatShape shape,
                std::int32_t* scales, FormatOutput out) {
  if (out.values == nullptr) return mx_loop<true, false, false>(x, n, ahead, shape, scales, out);
  if (out.bytes == nullptr)
    return out.streams ? mx_loop<false, true, true>(x, n, ahead, shape, scales, out)
                       : mx_loop<false, true, false>(x, n, ahead, shape, scales, out);
  return out.streams ? mx_loop<true, true, true>(x, n, ahead, shape, scales, out)
                     : mx_loop<true, true, false>(x, n, ahead, shape, scales, out);
}

void end_stream() { _mm_sfence(); }

void uniform_values(const std::int32_t* codes, std::int64_t n, float scale, std::int32_t zero_point,
                    float* values) {
  for (std::int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(codes[i] - zero_point) * scale;
}

bool minifloat_values(const std::int32_t* codes, std::int64_t n, MinifloatShape shape, float scale,
                      float* values) {
  const std::int32_t sign_bit = 1 << (shape.exponent_bits + shape.mantissa_bits);
  const std::int32_t up = kMantissaBits - shape.mantissa_bits, first_normal = 1 << shape.mantissa_bits;
  const std::int32_t sign_shift = 31 - shape.exponent_bits - shape.mantissa_bits;
  const std::int32_t rebias = (kExponentBias - shape.bias) << kMantissaBits;
  const float step = float_of(static_cast<std::uint32_t>(kExponentBias + 1 - shape.bias - shape.mantissa_bits)
                              << kMantissaBits);
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t magnitude = codes[i] & (sign_bit - 1);
    largest = magnitude > largest ? magnitude : largest;
    const float normal = float_of(static_cast<std::uint32_t>((magnitude << up) + rebias));
    const float subnormal = static_cast<float>(magnitude) * step;
    const float value = magnitude < first_normal ? subnormal : normal;
    const std::uint32_t sign = static_cast<std::uint32_t>(codes[i] & sign_bit) << sign_shift;
    values[i] = float_of(bits_of(value) | sign) * scale;
  }
  return largest <= shape.largest_code;
}

bool mx_values(const std::int32_t* codes, std::int64_t n, MinifloatShape shape, const std::int32_t* scales,
               float* values) {
  bool finite = true;
  for (std::int64_t from = 0; from < n; from += kBlock) {
    const std::int32_t byte = *scales++;
    if (byte < 0 || byte > kLargestScale) return false;
    const float scale = byte == 0 ? 0x1p-127f : float_of(static_cast<std::uint32_t>(byte) << kMantissaBits);
    const std::int64_t count = from + kBlock <= n ? kBlock : n - from;
    finite = finite && minifloat_values(codes + from, count, shape, scale, values + from);
  }
  return finite;
}

}  // namespace

extern const FormatKernels format_kernels;
const FormatKernels format_kernels = {largest_magnitude, uniform,        minifloat,        mx,
                                      end_stream,        uniform_values, minifloat_values, mx_values};

}  // namespace bitsmith::quant::BITSMITH_ISA
