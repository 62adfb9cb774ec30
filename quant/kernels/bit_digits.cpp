#include "quant/kernels/bit_digits.hpp"

#include <algorithm>
#include <cstdlib>

namespace bitsmith::quant {

BitDigits::BitDigits(const std::int8_t* weights, const RowGeometry& geometry, const BitPlanes& planes,
                     int digits, bool binary)
    : outputs_(geometry.outputs()),
      forms_(binary ? 1 : 2),
      digits_(digits),
      words_(static_cast<std::int64_t>(planes.words().size())),
      excess_(static_cast<std::size_t>(outputs_)) {
  std::int64_t columns = 0;
  for (int b = 0; b < blocks(); ++b) columns += 16 * vectors(b);
  words_of_all_.assign(static_cast<std::size_t>(columns * words_ * forms_ * digits), 0);
  for (int o = 0; o < outputs_; ++o) {
    const int b = o / kBlock, lane = o % kBlock;
    const std::int64_t step = 16 * vectors(b) * forms_;
    std::uint32_t* const start = words_of_all_.data() + begin(b) + lane / 16 * 16 * forms_ + lane % 16;
    for (int i = 0; i < geometry.inputs(); ++i)
      for (int ky = 0; ky < geometry.window.kernel_h; ++ky)
        for (int kx = 0; kx < geometry.window.kernel_w; ++kx) {
          const int weight = *weights++;
          const std::int64_t bit = planes.bit_of(ky, kx, i);
          const std::uint32_t mask = std::uint32_t{1} << (bit % 32);
          for (int d = 0; d < digits; ++d) {
            if ((std::abs(weight) >> d & 1) == 0) continue;
            std::uint32_t* const at = start + d * digit_words(vectors(b)) + bit / 32 * step;
            if (forms_ == 2) *at |= mask;
            if (weight < 0) at[forms_ == 2 ? 16 : 0] |= mask;
          }
          excess_[static_cast<std::size_t>(o)] += std::max(0, -weight);
        }
  }
}

int BitDigits::used(int block) const { return std::min(kBlock, outputs_ - block * kBlock); }

int BitDigits::vectors(int block) const { return used(block) > 16 ? 2 : 1; }

const std::uint32_t* BitDigits::block(int block) const { return words_of_all_.data() + begin(block); }

std::int64_t BitDigits::begin(int block) const { return block * digits_ * digit_words(kBlock / 16); }

}  // namespace bitsmith::quant
