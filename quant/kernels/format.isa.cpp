// Plain loops that the compiler vectorises for each instruction set, and one that writes past the caches. No
// product is added to anything, so fused multiply-adds cannot change a bit.

#include <immintrin.h>

#include "quant/kernels/format_kernels.hpp"

namespace bitsmith::quant::BITSMITH_ISA {
namespace {

constexpr float kRounder =
    12582912.0f;  // adding and subtracting 1.5 * 2^23 rounds |v| < 2^22, halves to even
constexpr std::int32_t kMantissaBits = 23, kExponentBias = 127;
constexpr std::uint32_t kMagnitude = 0x7fffffff, kExponent = 0x7f800000;
constexpr std::int64_t kBlock = 32;          // of OCP MX
constexpr std::int32_t kLargestScale = 254;  // the one above is NaN
constexpr std::int32_t kLeastField = 40,
                       kMostField = 220;  // exponents at which every constant below is normal

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

template <bool kBytes, bool kValues>
inline std::int64_t uniform_loop(const float* x, std::int64_t n, UniformGrid grid, std::uint8_t* bytes,
                                 float* values) {
  const float low = static_cast<float>(grid.low - grid.zero_point);
  const float high = static_cast<float>(grid.high - grid.zero_point);
  std::int32_t clipped = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    float v = x[i] / grid.scale;
    v = v < low - 1 ? low - 1 : v;
    v = v > high + 1 ? high + 1 : v;
    v = (v + kRounder) - kRounder;
    clipped += (v < low) | (v > high);
    v = v < low ? low : v;
    v = v > high ? high : v;
    if constexpr (kBytes)
      bytes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(v) + grid.zero_point);
    if constexpr (kValues) values[i] = v * grid.scale;
  }
  return clipped;
}

std::int64_t uniform(const float* x, std::int64_t n, UniformGrid grid, std::uint8_t* bytes, float* values) {
  if (bytes == nullptr) return uniform_loop<false, true>(x, n, grid, bytes, values);
  if (values == nullptr) return uniform_loop<true, false>(x, n, grid, bytes, values);
  return uniform_loop<true, true>(x, n, grid, bytes, values);
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
inline std::int64_t minifloat_loop(const float* x, std::int64_t n, MinifloatShape shape, std::uint32_t least,
                                   float largest, float scale, std::uint8_t* bytes, float* values) {
  const std::int32_t sign_shift = 31 - shape.exponent_bits - shape.mantissa_bits;
  const std::int32_t mantissa_bits = shape.mantissa_bits, largest_code = shape.largest_code;
  std::int32_t clipped = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = kScaled ? x[i] / scale : x[i];
    const std::uint32_t sign = bits_of(v) & ~kMagnitude;
    const Rounded to = rounded(bits_of(v) & kMagnitude, least, mantissa_bits);
    clipped += to.code > largest_code;
    if constexpr (kBytes) {
      const std::int32_t code = to.code > largest_code ? largest_code : to.code;
      bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(code) | (sign >> sign_shift));
    }
    if constexpr (kValues) {
      const float value = float_of(bits_of(to.value > largest ? largest : to.value) | sign);
      values[i] = kScaled ? value * scale : value;
    }
  }
  return clipped;
}

std::int64_t minifloat(const float* x, std::int64_t n, MinifloatShape shape, float scale, std::uint8_t* bytes,
                       float* values) {
  const std::uint32_t least = static_cast<std::uint32_t>(kExponentBias + 1 - shape.bias) << kMantissaBits;
  if (bytes == nullptr)
    return minifloat_loop<true, false, true>(x, n, shape, least, shape.largest, scale, bytes, values);
  if (values == nullptr)
    return minifloat_loop<true, true, false>(x, n, shape, least, shape.largest, scale, bytes, values);
  return minifloat_loop<true, true, true>(x, n, shape, least, shape.largest, scale, bytes, values);
}

/// `n` is a constant where it matters. Returns -1 for a block that is not for these loops.
template <bool kBytes, bool kValues>
__attribute__((always_inline)) inline std::int64_t mx_block(const float* x, std::int64_t n,
                                                            MinifloatShape shape, std::int32_t* scale,
                                                            std::uint8_t* bytes, float* values) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t magnitude = bits_of(x[i]) & kMagnitude;
    largest = magnitude > largest ? magnitude : largest;
  }
  const std::int32_t field = static_cast<std::int32_t>(largest >> kMantissaBits);
  if (largest != 0 && (field < kLeastField || field > kMostField)) return -1;
  // In a block of zeros any normal exponent rounds zeros to zeros.
  const std::int32_t at = largest == 0 ? kExponentBias : field - shape.largest_exponent;
  *scale = largest == 0 ? 0 : at;
  const std::uint32_t least = static_cast<std::uint32_t>(at + 1 - shape.bias) << kMantissaBits;
  const float most = shape.largest * float_of(static_cast<std::uint32_t>(at) << kMantissaBits);
  return minifloat_loop<false, kBytes, kValues>(x, n, shape, least, most, 1, bytes, values);
}

template <bool kBytes, bool kValues>
inline std::int64_t mx_loop(const float* x, std::int64_t n, MinifloatShape shape, std::int32_t* scales,
                            std::uint8_t* bytes, float* values) {
  std::int64_t clipped = 0;
  for (std::int64_t from = 0; from < n; from += kBlock) {
    std::uint8_t* bytes_of_block = kBytes ? bytes + from : nullptr;
    float* values_of_block = kValues ? values + from : nullptr;
    const std::int64_t count =
        from + kBlock <= n
            ? mx_block<kBytes, kValues>(x + from, kBlock, shape, scales++, bytes_of_block, values_of_block)
            : mx_block<kBytes, kValues>(x + from, n - from, shape, scales++, bytes_of_block, values_of_block);
    if (count < 0) return -1;
    clipped += count;
  }
  return clipped;
}

std::int64_t mx(const float* x, std::int64_t n, MinifloatShape shape, std::int32_t* scales,
                std::uint8_t* bytes, float* values) {
  if (bytes == nullptr) return mx_loop<false, true>(x, n, shape, scales, bytes, values);
  if (values == nullptr) return mx_loop<true, false>(x, n, shape, scales, bytes, values);
  return mx_loop<true, true>(x, n, shape, scales, bytes, values);
}

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

void stream(const float* from, std::int64_t n, float* to) {
#if defined(BITSMITH_ISA_avx512)
  constexpr std::int64_t kLanes = 16;
#elif defined(BITSMITH_ISA_avx2)
  constexpr std::int64_t kLanes = 8;
#else
  constexpr std::int64_t kLanes = 4;
#endif
  constexpr std::uintptr_t kBytes = kLanes * sizeof(float);
  std::int64_t i = 0;
  for (; i < n && reinterpret_cast<std::uintptr_t>(to + i) % kBytes != 0; ++i) to[i] = from[i];
  for (; i + kLanes <= n; i += kLanes) {
#if defined(BITSMITH_ISA_avx512)
    _mm512_stream_ps(to + i, _mm512_loadu_ps(from + i));
#elif defined(BITSMITH_ISA_avx2)
    _mm256_stream_ps(to + i, _mm256_loadu_ps(from + i));
#else
    _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
#endif
  }
  for (; i < n; ++i) to[i] = from[i];
  _mm_sfence();
}

}  // namespace

extern const FormatKernels format_kernels;
const FormatKernels format_kernels = {largest_magnitude, uniform,          minifloat, mx,
                                      uniform_values,    minifloat_values, mx_values, stream};

}  // namespace bitsmith::quant::BITSMITH_ISA
