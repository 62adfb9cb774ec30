#pragma once

#include <cstdint>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::trainer {

/// Of one axis: output i is the sum of weights[i * taps + k] * input[begin[i] + k], k < count[i].
struct ResamplingAxis {
  int taps = 0;
  std::vector<int> begin, count;
  std::vector<double> weights;
  std::vector<std::int32_t> fixed;  ///< the same, times 2^22
};

/// Memory that resample() reuses.
struct ResamplingScratch {
  ResamplingAxis rows, columns;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<std::int32_t> fixed_sums;
  std::vector<double> sums;
};

/// A part of a resampled image.
struct ResampledWindow {
  int height = 0, width = 0;                     ///< of the whole image after resampling
  int top = 0, left = 0, rows = 0, columns = 0;  ///< what is wanted of it
};

/// Bilinear with antialias. Output i of an axis of n inputs and m outputs, r = n / m, has its centre at c =
/// (i
/// + 1/2) r and sees the inputs j from floor(c - s + 1/2) to below floor(c + s + 1/2), where s = max(r, 1),
/// with weights proportional to max(0, 1 - |j + 1/2 - c| / s) that sum to 1. Columns come first, then rows.
/// Bytes: weights are rounded to multiples of 2^-22, and the result of each pass to the nearest byte, half
/// up: to the bit what Pillow's Image.resize(..., BILINEAR) and so torchvision's Resize give. Floats: sums
/// are computed in double, and rounded to float after each pass.
void resample(const std::uint8_t* image, const quant::Shape& shape, const ResampledWindow& window,
              std::uint8_t* out, ResamplingScratch& scratch);
void resample(const float* image, const quant::Shape& shape, const ResampledWindow& window, float* out,
              ResamplingScratch& scratch);

}  // namespace bitsmith::trainer
