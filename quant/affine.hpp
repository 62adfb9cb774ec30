#pragma once

#include "quant/quantizer.hpp"

namespace bitsmith::quant {

/// The real numbers that integers cover; low <= 0 <= high, as zero must be one of them.
struct ValueRange {
  float low = 0, high = 0;
  bool operator==(const ValueRange&) const = default;
};

/// x ~ scale * (q - zero_point); zero_point is one of the integers, so that zero comes back as zero.
struct AffineParameters {
  float scale = 1;  ///< finite, normal, positive
  int zero_point = 0;
  bool operator==(const AffineParameters&) const = default;
};

/// scale = (high - low) / (levels - 1), zero_point = integers.low - round(low / scale), halves to even, kept
/// among the integers (PyTorch's observers). A range that is zero alone has scale 1 and the zero point at
/// integers.low.
AffineParameters affine_parameters(ValueRange range, IntegerRange integers);

/// The same with the zero point computed from that end of the range whose terms are smaller, so that rounding
/// weighs less (FBGEMM's ChooseQuantizationParams, which PyTorch uses on whatever it quantizes as it runs).
/// Their floor of 6.1e-5 under scales, made for fp16 accelerators, is left out: it would lose small tensors.
AffineParameters affine_parameters_from_nearer_end(ValueRange range, IntegerRange integers);

}  // namespace bitsmith::quant
