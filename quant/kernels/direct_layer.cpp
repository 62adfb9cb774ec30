#include "quant/kernels/direct_layer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/kernels/direct_kernels.hpp"
#include "quant/kernels/epilogue.hpp"
#include "quant/kernels/image_rows.hpp"
#include "quant/kernels/packed_layer.hpp"
#include "quant/packing.hpp"

namespace bitsmith::quant {
namespace {

constexpr int kQuad = 4;                     // bytes that one dot product takes
constexpr std::int64_t kSlack = 64;          // after the image: a run may read up to 3 bytes further
constexpr std::uint8_t kFlip = 128;          // signed activations are multiplied as unsigned ones, 128 more
constexpr std::int64_t kPanelPixels = 1536;  // that share a block of weights before the next one comes

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

class DirectLayer final : public PreparedKernel {
 public:
  DirectLayer(const LayerInfo& layer, Storage from, Storage to, int batch, const LayerNumbers& numbers,
              const Epilogue& epilogue)
      : window_(layer.window),
        input_(layer.input),
        output_(layer.output),
        batch_(batch),
        flip_(from == Storage::s8 ? kFlip : 0),
        out_bytes_(storage_bytes(to)),
        low_(numbers.low),
        high_(numbers.high) {
    const DirectKernels& kernels = avx512::direct_kernels;
    convolve_ = to == Storage::f32 ? kernels.to_f32 : to == Storage::u8 ? kernels.to_u8 : kernels.to_s8;
    if (to != Storage::f32) range_ = rounded_range(numbers, to);
    // Taps side by side are one run, if they are neighbours in memory.
    const bool joined = window_.dilation_w == 1;
    run_length_ = joined ? window_.kernel_w * input_.channels : input_.channels;
    quads_ = (run_length_ + kQuad - 1) / kQuad;
    const bool borderless =
        window_.pad_top == 0 && window_.pad_left == 0 && window_.pad_bottom == 0 && window_.pad_right == 0;
    copies_ = !borderless || flip_ != 0 || run_length_ % kQuad != 0;
    const std::int64_t width = input_.width + (copies_ ? window_.pad_left + window_.pad_right : 0);
    const std::int64_t height = input_.height + (copies_ ? window_.pad_top + window_.pad_bottom : 0);
    row_bytes_ = width * input_.channels;
    if (copies_) padded_.assign(at(height * row_bytes_ + kSlack), flip_);
    for (int ky = 0; ky < window_.kernel_h; ++ky)
      for (int kx = 0; kx < (joined ? 1 : window_.kernel_w); ++kx)
        runs_.push_back(ky * window_.dilation_h * row_bytes_ + kx * window_.dilation_w * input_.channels);
    for (int y = 0; y < output_.height; ++y)
      for (int x = 0; x < output_.width; ++x)
        pixels_.push_back(y * window_.stride_h * row_bytes_ + x * window_.stride_w * input_.channels);
    pack(RowGeometry(layer, batch).group_matrix(effective_weights(numbers, epilogue), 0), epilogue);
  }

  void run(const void* in, void* out) override {
    for (int image = 0; image < batch_; ++image) {
      const std::uint8_t* from = static_cast<const std::uint8_t*>(in) + image * input_.elements();
      std::uint8_t* to = static_cast<std::uint8_t*>(out) + image * output_.elements() * out_bytes_;
      if (copies_) copy_with_border(from);
      run_image(copies_ ? padded_.data() : from, to);
    }
  }

  std::int64_t weight_bytes() const override {
    return weights_.bytes() + static_cast<std::int64_t>(correction_.size() * 3 * sizeof(float));
  }

 private:
  /// `matrix`: [outputs][window] in the order of runs.
  void pack(const std::vector<std::int8_t>& matrix, const Epilogue& epilogue) {
    const std::int64_t depth = std::int64_t{run_length_} * std::ssize(runs_);
    const std::int64_t padded_run = std::int64_t{quads_} * kQuad,
                       padded_depth = padded_run * std::ssize(runs_);
    std::vector<std::int8_t> padded(at(output_.channels * padded_depth), 0);
    const std::int64_t padded_outputs =
        (output_.channels + PackedMatrix::kStep - 1) / PackedMatrix::kStep * PackedMatrix::kStep;
    correction_.assign(at(padded_outputs), 0);
    offset_.assign(at(padded_outputs), 0.0f);
    multiplier_.assign(at(padded_outputs), 0.0f);
    for (std::int64_t o = 0; o < output_.channels; ++o) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        const std::int8_t weight = matrix[at(o * depth + k)];
        padded[at(o * padded_depth + k / run_length_ * padded_run + k % run_length_)] = weight;
        sum += weight;
      }
      correction_[at(o)] = -flip_ * sum;
      offset_[at(o)] = epilogue.offset[at(o)];
      multiplier_[at(o)] = epilogue.multiplier[at(o)];
    }
    weights_ = PackedMatrix(padded, output_.channels, padded_depth, 8, kQuad);
  }

  void copy_with_border(const std::uint8_t* from) {
    const std::int64_t line = std::int64_t{input_.width} * input_.channels;
    for (int y = 0; y < input_.height; ++y, from += line) {
      std::uint8_t* to = padded_.data() + (y + window_.pad_top) * row_bytes_ +
                         std::int64_t{window_.pad_left} * input_.channels;
      if (flip_ == 0)
        std::memcpy(to, from, at(line));
      else
        std::transform(from, from + line, to,
                       [](std::uint8_t x) { return static_cast<std::uint8_t>(x ^ kFlip); });
    }
  }

  void run_image(const std::uint8_t* in, std::uint8_t* out) const {
    DirectTiles tiles{};
    tiles.in = in;
    tiles.run = runs_.data();
    tiles.runs = static_cast<int>(runs_.size());
    tiles.quads = quads_;
    tiles.low = low_;
    tiles.high = high_;
    tiles.low_byte = range_.low;
    tiles.high_byte = range_.high;
    tiles.out_pixel = output_.channels * out_bytes_;
    for (std::int64_t first = 0; first < std::ssize(pixels_); first += kPanelPixels) {
      tiles.pixel = pixels_.data() + first;
      tiles.pixels = static_cast<int>(std::min(kPanelPixels, std::ssize(pixels_) - first));
      for (int block = 0; block < weights_.blocks(); ++block) {
        const std::int64_t channel = std::int64_t{block} * PackedMatrix::kBlock;
        tiles.weights = reinterpret_cast<const std::int8_t*>(weights_.block(block));
        tiles.vectors = weights_.width(block) / PackedMatrix::kStep;
        tiles.channels = weights_.used(block);
        tiles.correction = correction_.data() + channel;
        tiles.offset = offset_.data() + channel;
        tiles.multiplier = multiplier_.data() + channel;
        tiles.out = out + first * tiles.out_pixel + channel * out_bytes_;
        convolve_(tiles);
      }
    }
  }

  Window window_;
  Shape input_, output_;
  int batch_;
  std::uint8_t flip_;
  std::int64_t out_bytes_;  ///< of one output
  float low_, high_;
  OutputRange range_{};
  DirectKernels::Convolve* convolve_;
  int run_length_, quads_;
  bool copies_;  ///< the image, as it needs a border or is signed
  std::int64_t row_bytes_;
  std::vector<std::int64_t> runs_, pixels_;
  PackedMatrix weights_;
  base::AlignedVector<std::int32_t> correction_;
  base::AlignedVector<float> offset_, multiplier_;
  base::AlignedVector<std::uint8_t> padded_;
};

}  // namespace

bool direct_refuses(const LayerInfo& layer, LayerBits, Storage) {
  return layer.groups != 1 || may_overflow(layer);
}

std::unique_ptr<PreparedKernel> make_direct(const LayerInfo& layer, LayerBits bits, Storage from, Storage to,
                                            int batch, const LayerNumbers& numbers) {
  const Epilogue epilogue = make_epilogue(numbers);
  if (to != Storage::f32 && !rounds_within_32_bits(numbers, epilogue))
    return make_packed<base::Isa::avx512, 8>(layer, bits, from, to, batch, numbers);
  return std::make_unique<DirectLayer>(layer, from, to, batch, numbers, epilogue);
}

}  // namespace bitsmith::quant
