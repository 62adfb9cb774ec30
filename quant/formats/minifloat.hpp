#pragma once

#include <cstdint>

#include "quant/formats/encoding_options.hpp"
#include "quant/formats/format.hpp"

namespace bitsmith::quant {

/// A floating-point format of 4, 6 or 8 bits: sign, exponent, mantissa from the highest bit down, subnormals
/// where the exponent field is 0. OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0,
/// section 5.3.
struct Minifloat {
  int exponent_bits, mantissa_bits, bias;
  int largest_code;      ///< of finite numbers, without sign
  int infinity;          ///< its code, without sign; -1: there is none
  int nan;               ///< the canonical one; -1: there is none
  float largest;         ///< number; of largest_code
  int largest_exponent;  ///< floor(log2 largest), what MX calls emax

  int sign_bit() const { return 1 << (exponent_bits + mantissa_bits); }
};

/// Of fp8_*, fp6_*, fp4_*, mxfp* and nvfp4 the format of their elements; InternalError for others.
const Minifloat& minifloat_of(Format format);
/// fp8_e4m3: also the format of nvfp4's block scales.
const Minifloat& e4m3();

struct MinifloatCode {
  int code;
  bool clipped;  ///< rounded, x was beyond the largest number
};

/// The nearest number to x, halves to the even code or away from 0. Beyond the largest: that one if
/// `saturate`, else infinity, else NaN, both with the sign of x; formats without either saturate always. x =
/// infinity likewise. NaN gives the canonical NaN; InternalError where there is none. -0 keeps its sign.
MinifloatCode encode_minifloat(double x, const Minifloat& to, Rounding rounding = Rounding::even,
                               bool saturate = true);

/// The number of a code in [0, 2 * sign_bit()); InternalError for others.
float decode_minifloat(int code, const Minifloat& from);

}  // namespace bitsmith::quant
