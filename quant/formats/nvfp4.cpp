#include "quant/formats/nvfp4.hpp"

#include <algorithm>
#include <cmath>

#include "quant/formats/minifloat.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
void encode_nvfp4(const Values& x, Encoded& to) {
  const Minifloat& element = minifloat_of(to.format);
  const double largest = element.largest;
  const Slices blocks = block_slices(to);

  double of_tensor = 0;
  for (std::size_t i = 0; i < x.size(); ++i) of_tensor = std::max(of_tensor, std::abs(x[i]));
  const double tensor_scale = x.quotient(of_tensor, largest * e4m3().largest);
  to.scales[0] = static_cast<float>(tensor_scale);

  std::size_t clipped = 0;
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    const std::vector<double> block = x.slice(blocks, b);
    const double unit = x.rounded(largest * tensor_scale);
    const int byte = unit == 0 ? 0 : encode_minifloat(x.quotient(max_magnitude(block), unit), e4m3()).code;
    to.block_scales[static_cast<std::size_t>(b)] = byte;
    const double scale = x.rounded(tensor_scale * double{decode_minifloat(byte, e4m3())});
    if (scale == 0) continue;  // the codes stay 0
    blocks.visit(b, [&](std::int64_t i, std::int64_t at) {
      // + 0.0: zeros have no sign here.
      const double scaled = x.quotient(block[static_cast<std::size_t>(at)], scale) + 0.0;
      const auto [code, beyond] = encode_minifloat(scaled, element, to.options.rounding);
      to.codes[static_cast<std::size_t>(i)] = code;
      clipped += beyond ? 1 : 0;
    });
  }
  to.clipped = static_cast<double>(clipped) / static_cast<double>(x.size());
}

void decode_nvfp4(const Encoded& from, std::span<float> y) {
  const Minifloat& element = minifloat_of(from.format);
  const Slices blocks = block_slices(from);
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    const double block_scale = decode_minifloat(from.block_scales[static_cast<std::size_t>(b)], e4m3());
    const float scale = static_cast<float>(double{from.scales[0]} * block_scale);
    blocks.visit(b, [&](std::int64_t i, std::int64_t) {
      const float number = decode_minifloat(from.codes[static_cast<std::size_t>(i)], element);
      y[static_cast<std::size_t>(i)] = finite_float(double{scale} * double{number});
    });
  }
}

}  // namespace bitsmith::quant
