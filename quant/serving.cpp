#include "quant/serving.hpp"

#include <bit>

#include "quant/formats/integer_levels.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kMostLevel = 127;

const Format kBinary = *find_format("binary");

}  // namespace

int kernel_weight_bits(Format format) {
  if (format.is_float() || format.is_integer()) return format.code();
  if (format.row().block > 0) return kFloatBits;  // scales within a row: sums of integers do not share one
  if (format.row().kind == FormatKind::binary) return 1;
  const auto largest = largest_integer_level(format);
  if (!largest || *largest > kMostLevel) return kFloatBits;
  return std::bit_width(static_cast<unsigned>(*largest)) + 1;
}

bool is_decoded(Format weight) { return !weight.is_float() && kernel_weight_bits(weight) == kFloatBits; }

LayerBits kernel_bits(LayerFormats formats) {
  const int weight = kernel_weight_bits(formats.weight);
  return {weight, weight == kFloatBits ? kFloatBits : formats.activation.code()};
}

LayerFormats formats_served_by(LayerBits bits) {
  return {bits.weight == 1 ? kBinary : Format(bits.weight), bits.activation};
}

}  // namespace bitsmith::quant
