#include "quant/kernels/depthwise_3x3_layer.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/kernels/depthwise_3x3_kernels.hpp"
#include "quant/kernels/epilogue.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kChannels = Depthwise3x3Rows::kChannels, kTaps = Depthwise3x3Rows::kTaps;
constexpr int kSide = 3, kArea = kSide * kSide;
constexpr int kSignedZero = 128;  // signed activations are multiplied as unsigned ones, 128 more

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

struct Block {
  int first = 0;  ///< of its channels
  base::AlignedVector<std::int8_t> weights;
  alignas(64) std::array<std::int32_t, kChannels> correction;
  alignas(64) std::array<float, kChannels> offset, multiplier;
};

Depthwise3x3Kernels::Convolve* form(const Depthwise3x3Kernels::Forms& forms, Storage from, Storage to) {
  if (from == Storage::s8) return to == Storage::s8 ? forms.s8_to_s8 : forms.s8_to_u8;
  return to == Storage::s8 ? forms.u8_to_s8 : forms.u8_to_u8;
}

class Depthwise3x3Layer final : public PreparedKernel {
 public:
  Depthwise3x3Layer(const LayerInfo& layer, Storage from, Storage to, int batch, const LayerNumbers& numbers,
                    const Epilogue& epilogue)
      : window_(layer.window), input_(layer.input), output_(layer.output), batch_(batch) {
    const Depthwise3x3Kernels& kernels = avx512::depthwise_3x3_kernels;
    rows_at_once_ = window_.stride_w == 1 && window_.stride_h == 1 ? 2 : 1;
    one_row_ = form(window_.stride_w == 2 ? kernels.strided : kernels.one_row, from, to);
    two_rows_ = form(kernels.two_rows, from, to);
    range_ = rounded_range(numbers, to);
    black_.assign(at(std::int64_t{input_.width} * input_.channels), 0);
    const std::vector<std::int8_t> weights = effective_weights(numbers, epilogue);
    // The last block ends at the last channel, and may compute some again that the block before has computed.
    for (int first = 0; first < input_.channels; first += kChannels)
      add_block(std::min(first, input_.channels - kChannels), weights, epilogue,
                from == Storage::s8 ? kSignedZero : 0);
  }

  void run(const void* in, void* out) override {
    for (int image = 0; image < batch_; ++image) {
      const std::uint8_t* pixels = static_cast<const std::uint8_t*>(in) + image * input_.elements();
      std::uint8_t* outputs = static_cast<std::uint8_t*>(out) + image * output_.elements();
      for (int y = 0; y < output_.height; y += rows_at_once_)
        run_rows(pixels, y, std::min(rows_at_once_, output_.height - y), outputs);
    }
  }

  std::int64_t weight_bytes() const override {
    const std::int64_t constants =
        kChannels * static_cast<std::int64_t>(sizeof(std::int32_t) + 2 * sizeof(float));
    return static_cast<std::int64_t>(blocks_.size()) *
           (static_cast<std::int64_t>(blocks_.front().weights.size()) + constants);
  }

 private:
  void add_block(int first, const std::vector<std::int8_t>& weights, const Epilogue& epilogue, int zero) {
    Block block;
    block.first = first;
    for (int row = 0; row < rows_at_once_; ++row)
      for (int x = 0; x < kSide; ++x)
        for (int channel = first; channel < first + kChannels; ++channel)
          for (int tap = 0; tap < kTaps; ++tap) {
            const int y = tap - row;  // of the window
            const std::int64_t place = std::int64_t{channel} * kArea + y * kSide + x;
            block.weights.push_back(y >= 0 && y < kSide ? weights[at(place)] : std::int8_t{0});
          }
    for (std::size_t i = 0; i < kChannels; ++i) {
      const std::size_t channel = at(first) + i;
      std::int32_t sum = 0;
      for (std::size_t j = 0; j < kArea; ++j) sum += weights[channel * kArea + j];
      block.correction[i] = -zero * sum;
      block.offset[i] = epilogue.offset[channel];
      block.multiplier[i] = epilogue.multiplier[channel];
    }
    blocks_.push_back(std::move(block));
  }

  void run_rows(const std::uint8_t* pixels, int y, int count, std::uint8_t* outputs) const {
    const std::int64_t in_row = std::int64_t{input_.width} * input_.channels;
    const std::int64_t out_row = std::int64_t{output_.width} * output_.channels;
    Depthwise3x3Rows rows{};
    rows.outside = black_.data();
    rows.pixel = input_.channels;
    rows.width = input_.width;
    rows.pad = window_.pad_left;
    rows.outputs = output_.width;
    rows.low = range_.low;
    rows.high = range_.high;
    const std::uint8_t* in[kTaps];
    for (int tap = 0; tap < kTaps; ++tap) {
      const int from = y * window_.stride_h - window_.pad_top + tap;
      in[tap] = from >= 0 && from < input_.height ? pixels + from * in_row : black_.data();
    }
    for (const Block& block : blocks_) {
      for (int tap = 0; tap < kTaps; ++tap) rows.in[tap] = in[tap] + block.first;
      for (int row = 0; row < count; ++row) rows.out[row] = outputs + (y + row) * out_row + block.first;
      rows.weights = block.weights.data();
      rows.correction = block.correction.data();
      rows.offset = block.offset.data();
      rows.multiplier = block.multiplier.data();
      (count == 2 ? two_rows_ : one_row_)(rows);
    }
  }

  Window window_;
  Shape input_, output_;
  int batch_;
  int rows_at_once_;
  Depthwise3x3Kernels::Convolve *one_row_, *two_rows_;
  OutputRange range_;
  std::vector<Block> blocks_;
  base::AlignedVector<std::uint8_t> black_;  ///< a row outside the image
};

bool has_form(const LayerInfo& layer, Storage to) {
  const Window& w = layer.window;
  return to != Storage::f32 && layer.input.channels == layer.output.channels &&
         layer.input.channels >= kChannels && w.kernel_h == kSide && w.kernel_w == kSide &&
         w.dilation_h == 1 && w.dilation_w == 1 && w.stride_w <= 2 && w.pad_left < kSide &&
         w.pad_right < kSide;
}

}  // namespace

std::unique_ptr<PreparedKernel> make_depthwise_3x3(const LayerInfo& layer, Storage from, Storage to,
                                                   int batch, const LayerNumbers& numbers) {
  if (!has_form(layer, to)) return nullptr;
  const Epilogue epilogue = make_epilogue(numbers);
  if (!rounds_within_32_bits(numbers, epilogue)) return nullptr;
  return std::make_unique<Depthwise3x3Layer>(layer, from, to, batch, numbers, epilogue);
}

}  // namespace bitsmith::quant
