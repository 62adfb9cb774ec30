#include "quant/formats/mx.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/formats/exponent.hpp"
#include "quant/formats/minifloat.hpp"
#include "quant/formats/storage.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kFractionBits = 6, kLargestInteger = 127;  // of mxint8
constexpr int kScaleBias = 127, kNanScale = 255;         // E8M0

// Of one format: floating-point or integer elements.
class Element {
 public:
  explicit Element(Format format) : minifloat_(format == kMxint8 ? nullptr : &minifloat_of(format)) {}

  int largest_exponent() const { return minifloat_ == nullptr ? 0 : minifloat_->largest_exponent; }

  MinifloatCode encode(double x, Rounding rounding) const {
    if (minifloat_ != nullptr) return encode_minifloat(x, *minifloat_, rounding);
    const double code = round_half(std::ldexp(x, kFractionBits), rounding);
    const double held = std::clamp<double>(code, -kLargestInteger, kLargestInteger);
    return {static_cast<int>(held), held != code};
  }

  double decode(int code) const {
    return minifloat_ == nullptr ? std::ldexp(code, -kFractionBits) : decode_minifloat(code, *minifloat_);
  }

 private:
  const Minifloat* minifloat_;
};

int scale_exponent(std::span<const double> block, const Element& element) {
  const double largest = max_magnitude(block);
  if (largest == 0) return -kScaleBias;
  return std::clamp(floor_log2(largest) - element.largest_exponent(), -kScaleBias, kScaleBias);
}

}  // namespace

void encode_mx(const Values& x, Encoded& to) {
  const Element element(to.format);
  const Slices blocks = block_slices(to);
  std::size_t clipped = 0;
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    const std::vector<double> block = x.slice(blocks, b);
    std::int32_t& byte = to.block_scales[static_cast<std::size_t>(b)];
    if (!std::all_of(block.begin(), block.end(), [](double v) { return std::isfinite(v); })) {
      byte = kNanScale;  // the codes stay 0
      continue;
    }
    const int exponent = scale_exponent(block, element);
    byte = exponent + kScaleBias;
    blocks.visit(b, [&](std::int64_t i, std::int64_t at) {
      const double scaled = std::ldexp(block[static_cast<std::size_t>(at)], -exponent);
      const auto [code, beyond] = element.encode(scaled, to.options.rounding);
      to.codes[static_cast<std::size_t>(i)] = code;
      clipped += beyond ? 1 : 0;
    });
  }
  to.clipped = static_cast<double>(clipped) / static_cast<double>(x.size());
}

void decode_mx(const Encoded& from, std::span<float> y) {
  const Element element(from.format);
  const Slices blocks = block_slices(from);
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    const int byte = from.block_scales[static_cast<std::size_t>(b)];
    blocks.visit(b, [&](std::int64_t i, std::int64_t) {
      const double value = element.decode(from.codes[static_cast<std::size_t>(i)]);
      y[static_cast<std::size_t>(i)] = byte == kNanScale
                                           ? std::numeric_limits<float>::quiet_NaN()
                                           : static_cast<float>(std::ldexp(value, byte - kScaleBias));
    });
  }
}

}  // namespace bitsmith::quant
