#pragma once

#include <cstdint>

// For files that are compiled once per instruction set: always inlined, and of one form in all of them.
namespace bitsmith::quant::BITSMITH_ISA {

/// exp(x) to 2e-7 of itself, x cut to what a normal float can hold: x = n ln 2 + r with |r| <= ln 2 / 2, and
/// a polynomial of degree 7 in r (its coefficients are those of the Cephes library's expf, S. Moshier).
__attribute__((always_inline)) inline float exponential(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves a whole number in the low bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto exponent = __builtin_bit_cast(std::uint32_t, shifted) - 0x4B400000u + 127u;
  return p * __builtin_bit_cast(float, exponent << 23);
}

/// exp(-x^2 / 2), and Phi(x) from it by Abramowitz and Stegun 7.1.26 (to 8e-8).
struct Normal {
  float bell, share;
};
__attribute__((always_inline)) inline Normal normal(float x) {
  const float z = (x < 0.0f ? -x : x) * 0.707106781f;
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float bell = exponential(-z * z);
  const float tail = 0.5f * p * t * bell;
  return {bell, x < 0.0f ? tail : 1.0f - tail};
}

}  // namespace bitsmith::quant::BITSMITH_ISA
