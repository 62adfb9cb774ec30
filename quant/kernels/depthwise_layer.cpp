#include "quant/kernels/depthwise_layer.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/kernels/depthwise_3x3_layer.hpp"
#include "quant/kernels/depthwise_kernels.hpp"
#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/epilogue.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kTaps = DepthwiseKernels::kTaps, kMostChannels = DepthwiseKernels::kMostChannels;
constexpr int kPixelsAtOnce = 16;  // whose sums stay in the L1 cache
constexpr std::uint8_t kSignedZero = 128;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

class DepthwiseLayer final : public PreparedKernel {
 public:
  DepthwiseLayer(const LayerInfo& layer, Storage from, Storage to, int batch, const LayerNumbers& numbers,
                 const DepthwiseKernels& kernels, base::Isa isa)
      : kernels_(kernels),
        window_(layer.window),
        input_(layer.input),
        output_(layer.output),
        batch_(batch),
        zero_(from == Storage::s8 ? kSignedZero : 0),
        epilogue_(make_epilogue(numbers)),
        finisher_(numbers, epilogue_, layer, to, isa) {
    row_groups_ = (window_.kernel_h + kTaps - 1) / kTaps;
    columns_ = (output_.width - 1) * window_.stride_w + (window_.kernel_w - 1) * window_.dilation_w + 1;
    pack(effective_weights(numbers, epilogue_));
    black_.assign(at(std::int64_t{input_.width} * input_.channels), 0);
    interleaved_.assign(at(std::int64_t{columns_} * row_groups_ * kTaps * kMostChannels), zero_);
    sums_.resize(at(std::int64_t{kPixelsAtOnce} * kMostChannels));
  }

  void run(const void* in, void* out) override {
    const std::int64_t image_bytes = input_.elements();
    for (int first = 0, block = 0; first < input_.channels; first += kMostChannels, ++block) {
      const int channels = std::min(kMostChannels, input_.channels - first);
      const int width = width_of(channels);
      blank_border(width);
      set_offsets(width);
      for (int image = 0; image < batch_; ++image) {
        const std::uint8_t* pixels = static_cast<const std::uint8_t*>(in) + image * image_bytes + first;
        for (int y = 0; y < output_.height; ++y) {
          interleave(pixels, y, channels, width);
          const std::int64_t row = (std::int64_t{image} * output_.height + y) * output_.width;
          multiply(block, first, channels, width, row, out);
        }
      }
    }
  }

  std::int64_t weight_bytes() const override {
    return static_cast<std::int64_t>(weights_.size() + correction_.size() * 3 * sizeof(float));
  }

 private:
  static int width_of(int channels) { return (channels + 15) / 16 * 16; }

  /// Into blocks of channels: [kernel column][row group][channel][tap]; zeros where there is no tap or
  /// channel.
  void pack(const std::vector<std::int8_t>& weights) {
    const int area = window_.kernel_h * window_.kernel_w;
    for (int first = 0; first < input_.channels; first += kMostChannels) {
      const int channels = std::min(kMostChannels, input_.channels - first);
      starts_.push_back(static_cast<std::int64_t>(weights_.size()));
      for (int x = 0; x < window_.kernel_w; ++x)
        for (int group = 0; group < row_groups_; ++group)
          for (int c = 0; c < width_of(channels); ++c)
            for (int tap = 0; tap < kTaps; ++tap) {
              const int y = group * kTaps + tap;
              const bool is_there = c < channels && y < window_.kernel_h;
              weights_.push_back(is_there
                                     ? weights[at(std::int64_t{first + c} * area + y * window_.kernel_w + x)]
                                     : std::int8_t{0});
            }
    }
    for (int c = 0; c < input_.channels; ++c) {
      std::int32_t sum = 0;
      for (int i = 0; i < area; ++i) sum += weights[at(std::int64_t{c} * area + i)];
      correction_.push_back(-zero_ * sum);
    }
  }

  std::int64_t group_bytes(int width) const { return std::int64_t{kTaps} * width; }
  std::int64_t column_bytes(int width) const { return row_groups_ * group_bytes(width); }

  /// The columns left and right of the image, which no row fills.
  void blank_border(int width) {
    const std::int64_t bytes = column_bytes(width);
    const int left = std::min(window_.pad_left, columns_);
    const int end = std::min(columns_, left + inside());
    std::fill(interleaved_.begin(), interleaved_.begin() + left * bytes, zero_);
    std::fill(interleaved_.begin() + end * bytes, interleaved_.begin() + columns_ * bytes, zero_);
  }

  /// How many of the image's columns some output reads.
  int inside() const { return std::max(0, std::min(input_.width, columns_ - window_.pad_left)); }

  void set_offsets(int width) {
    offsets_.clear();
    for (int x = 0; x < window_.kernel_w; ++x)
      for (int group = 0; group < row_groups_; ++group)
        offsets_.push_back(std::int64_t{x} * window_.dilation_w * column_bytes(width) +
                           group * group_bytes(width));
  }

  void interleave(const std::uint8_t* pixels, int y, int channels, int width) {
    const std::int64_t row_bytes = std::int64_t{input_.width} * input_.channels;
    for (int group = 0; group < row_groups_; ++group) {
      const std::uint8_t* rows[kTaps];
      for (int tap = 0; tap < kTaps; ++tap) {
        const int from = y * window_.stride_h - window_.pad_top + (group * kTaps + tap) * window_.dilation_h;
        rows[tap] = from >= 0 && from < input_.height ? pixels + from * row_bytes : black_.data();
      }
      kernels_.interleave(
          rows, input_.channels, inside(), channels, width, zero_,
          interleaved_.data() + window_.pad_left * column_bytes(width) + group * group_bytes(width),
          column_bytes(width));
    }
  }

  void multiply(int block, int first, int channels, int width, std::int64_t row, void* out) {
    const std::int64_t step = window_.stride_w * column_bytes(width);
    for (int x = 0; x < output_.width; x += kPixelsAtOnce) {
      const int pixels = std::min(kPixelsAtOnce, output_.width - x);
      kernels_.multiply(interleaved_.data() + x * step, step, offsets_.data(),
                        static_cast<int>(offsets_.size()), weights_.data() + starts_[at(block)], width,
                        pixels, sums_.data());
      finisher_.finish(sums_.data(), width, pixels, correction_.data(), first, channels, row + x, out);
    }
  }

  const DepthwiseKernels& kernels_;
  Window window_;
  Shape input_, output_;
  int batch_;
  std::uint8_t zero_;  ///< what stands for an activation of 0
  Epilogue epilogue_;
  Finisher finisher_;
  int row_groups_ = 0;  ///< of four rows of the window
  int columns_ = 0;     ///< that an output row reads, the border included
  base::AlignedVector<std::int8_t> weights_;
  std::vector<std::int64_t> starts_;  ///< of the blocks in weights_
  std::vector<std::int32_t> correction_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::uint8_t> black_;  ///< a row outside the image
  base::AlignedVector<std::uint8_t> interleaved_;
  base::AlignedVector<std::int32_t> sums_;
};

}  // namespace

bool depthwise_refuses(const LayerInfo& layer, LayerBits, Storage) {
  return layer.output.channels != layer.input.channels || may_overflow(layer);
}

template <base::Isa kIsa>
std::unique_ptr<PreparedKernel> make_depthwise(const LayerInfo& layer, LayerBits, Storage from, Storage to,
                                               int batch, const LayerNumbers& numbers) {
  if constexpr (kIsa == base::Isa::avx512)
    if (auto kernel = make_depthwise_3x3(layer, from, to, batch, numbers)) return kernel;
  const DepthwiseKernels& kernels =
      pick_isa(kIsa, scalar::depthwise_kernels, avx2::depthwise_kernels, avx512::depthwise_kernels);
  return std::make_unique<DepthwiseLayer>(layer, from, to, batch, numbers, kernels, kIsa);
}

template MakeKernel make_depthwise<base::Isa::scalar>;
template MakeKernel make_depthwise<base::Isa::avx2>;
template MakeKernel make_depthwise<base::Isa::avx512>;

}  // namespace bitsmith::quant
