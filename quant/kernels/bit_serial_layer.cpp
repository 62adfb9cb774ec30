#include "quant/kernels/bit_serial_layer.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "quant/kernels/bit_digits.hpp"
#include "quant/kernels/bit_planes.hpp"
#include "quant/kernels/bit_serial_kernels.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/epilogue.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kRowsAtOnce = 32;  // whose sums stay in the L1 cache

class BitSerialLayer final : public PreparedKernel {
 public:
  BitSerialLayer(const LayerInfo& layer, Storage from, Storage to, int batch, const LayerNumbers& numbers,
                 LayerBits own, const BitSerialKernels& kernels, base::Isa isa)
      : kernels_(kernels),
        geometry_(layer, batch),
        epilogue_(make_epilogue(numbers)),
        finisher_(numbers, epilogue_, layer, to, isa),
        planes_(geometry_, own.activation) {
    const std::vector<std::int8_t> weights = effective_weights(numbers, epilogue_);
    const int digits = std::max(1, own.weight - 1);
    const bool binary = own.weight == 1 && planes_.runs_are_full() &&
                        std::find(weights.begin(), weights.end(), 0) == weights.end();
    const std::int64_t each = geometry_.outputs() * geometry_.depth();
    // The sum of the planes' factors: 1 + 2 + 4, or 1 + 2 - 4 for two's complement.
    const int factors = from == Storage::s8 ? -1 : (1 << own.activation) - 1;
    for (int g = 0; g < geometry_.groups; ++g) {
      groups_.emplace_back(weights.data() + g * each, geometry_, planes_, digits, binary);
      for (std::int32_t excess : groups_.back().excess()) correction_.push_back(-excess * factors);
    }
    for (int vectors : {1, 2})
      passes_[static_cast<std::size_t>(vectors - 1)] = passes_of(digits, own.activation, from, vectors);
  }

  void run(const void* in, void* out) override {
    for (int group = 0; group < geometry_.groups; ++group) {
      planes_.pack(kernels_, group, in);
      for (int block = 0; block < groups_[0].blocks(); ++block) multiply(group, block, out);
    }
  }

  std::int64_t weight_bytes() const override {
    std::int64_t bytes = 0;
    for (const BitDigits& digits : groups_) bytes += digits.bytes();
    return bytes + static_cast<std::int64_t>(correction_.size() * 3 * sizeof(float));
  }

 private:
  // From the largest factor to the smallest, doubling on the way.
  std::vector<BitSerialPass> passes_of(int digits, int planes, Storage from, int vectors) const {
    std::vector<BitSerialPass> passes;
    int doublings = 0;
    bool negative = false;
    for (int power = digits + planes - 2; power >= 0; --power, ++doublings)
      for (int plane = std::min(planes - 1, power); plane >= 0 && power - plane < digits; --plane) {
        const bool top = from == Storage::s8 && plane == planes - 1;
        passes.push_back({(power - plane) * groups_[0].digit_words(vectors), plane * planes_.plane_bytes(),
                          doublings, top != negative});
        doublings = 0;
        negative = top;
      }
    return passes;
  }

  void multiply(int group, int block, void* out) {
    const BitDigits& digits = groups_[static_cast<std::size_t>(group)];
    const int vectors = digits.vectors(block), used = digits.used(block);
    const std::vector<BitSerialPass>& passes = passes_[static_cast<std::size_t>(vectors - 1)];
    const BitSerialProduct product{passes.data(), static_cast<int>(passes.size()), planes_.words().data(),
                                   static_cast<int>(planes_.words().size()), digits.forms()};
    const std::int64_t channel = std::int64_t{group} * geometry_.outputs() + block * BitDigits::kBlock;
    std::array<const std::uint8_t*, kRowsAtOnce> rows;
    std::array<std::int32_t, kRowsAtOnce * BitDigits::kBlock> sums;
    for (std::int64_t first = 0; first < geometry_.pixels(); first += kRowsAtOnce) {
      const int count = static_cast<int>(std::min<std::int64_t>(kRowsAtOnce, geometry_.pixels() - first));
      planes_.find_rows(first, count, rows.data());
      kernels_.multiply(product, rows.data(), count, digits.block(block), vectors, sums.data());
      finisher_.finish(sums.data(), 16 * vectors, count, correction_.data(), channel, used, first, out);
    }
  }

  const BitSerialKernels& kernels_;
  RowGeometry geometry_;
  Epilogue epilogue_;
  Finisher finisher_;
  BitPlanes planes_;
  std::vector<BitDigits> groups_;
  std::vector<std::int32_t> correction_;              ///< per output channel: what the planes count too much
  std::array<std::vector<BitSerialPass>, 2> passes_;  ///< for blocks of one and of two vectors
};

}  // namespace

bool bit_serial_refuses(const LayerInfo& layer, LayerBits bits, Storage from) {
  return may_overflow(layer) || (from == Storage::s8 && bits.activation == 1);
}

std::unique_ptr<PreparedKernel> prepare_bit_serial(base::Isa isa, LayerBits own, const LayerInfo& layer,
                                                   Storage from, Storage to, int batch,
                                                   const LayerNumbers& numbers) {
  const auto& kernels =
      pick_isa(isa, scalar::bit_serial_kernels, avx2::bit_serial_kernels, avx512::bit_serial_kernels);
  return std::make_unique<BitSerialLayer>(layer, from, to, batch, numbers, own, kernels, isa);
}

}  // namespace bitsmith::quant
