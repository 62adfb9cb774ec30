#include "quant/formats/block_scale.hpp"

#include <cmath>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/formats/minifloat.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kExponentBias = 127, kNanExponent = 255;

}  // namespace

float block_scale_value(Format format, int code) {
  switch (format.row().kind) {
    case FormatKind::mx:
      if (code == kNanExponent) return std::numeric_limits<float>::quiet_NaN();
      [[fallthrough]];
    case FormatKind::micro_exponent:
      return std::ldexp(1.0f, code - kExponentBias);
    case FormatKind::nvfp4:
      return decode_minifloat(code, e4m3());
    case FormatKind::vector_scaled:
      return static_cast<float>(code);
    default:
      throw base::InternalError("a format without scales of blocks");
  }
}

std::vector<float> innermost_scales(const Encoded& encoded) {
  if (encoded.block_scales.empty()) return encoded.scales;
  std::vector<float> scales;
  for (const std::int32_t code : encoded.block_scales)
    scales.push_back(block_scale_value(encoded.format, code));
  if (encoded.scales.empty()) return scales;
  const std::vector<std::int64_t> slice_of = slice_of_elements(scale_slices(encoded));
  const Slices blocks = block_slices(encoded);
  for (std::size_t b = 0; b < scales.size(); ++b) {
    const auto element = static_cast<std::size_t>(blocks.first(static_cast<std::int64_t>(b)));
    scales[b] *= encoded.scales[static_cast<std::size_t>(slice_of[element])];
  }
  return scales;
}

}  // namespace bitsmith::quant
