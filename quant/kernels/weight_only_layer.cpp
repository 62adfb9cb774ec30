#include "quant/kernels/weight_only_layer.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "quant/kernels/dispatch.hpp"
#include "quant/kernels/epilogue.hpp"
#include "quant/kernels/image_rows.hpp"
#include "quant/kernels/weight_only_kernels.hpp"
#include "quant/packing.hpp"

namespace bitsmith::quant {
namespace {

constexpr std::int64_t kPanelBytes = 256 << 10;  // rows: a quarter of a usual L2 cache ...
constexpr std::int64_t kLeastPanel = 64;         // ... or as many as make decoding weights cheap
constexpr std::int64_t kFewRows = 3;             // up to which decoding on the way is cheaper than a tile
constexpr std::int64_t kTileDepth = 96;          // of 64 columns: 24 KiB, within L1

void copy_floats(const void* from, std::int64_t n, void* row) {
  std::memcpy(row, from, static_cast<std::size_t>(n) * sizeof(float));
}

class WeightOnlyLayer final : public PreparedKernel {
 public:
  WeightOnlyLayer(const LayerInfo& layer, int batch, const LayerNumbers& numbers, int weight_bits,
                  const WeightOnlyKernels& kernels)
      : kernels_(kernels),
        geometry_(layer, batch),
        weight_bits_(weight_bits),
        low_(numbers.low),
        high_(numbers.high),
        epilogue_(make_epilogue(numbers)) {
    const std::vector<std::int8_t> weights = effective_weights(numbers, epilogue_);
    for (int g = 0; g < geometry_.groups; ++g)
      groups_.emplace_back(geometry_.group_matrix(weights, g), geometry_.outputs(), geometry_.depth(),
                           weight_bits, 1);
    depth_ = groups_[0].padded_depth();
    direct_ = geometry_.rows_are_input() && depth_ == geometry_.depth();
    panel_ = std::max(kLeastPanel, kPanelBytes / (depth_ * static_cast<std::int64_t>(sizeof(float))));
    panel_ = std::min(geometry_.pixels(), panel_);
    if (!direct_) rows_.assign(static_cast<std::size_t>(panel_ * depth_), 0);
    tile_.resize(static_cast<std::size_t>(PackedMatrix::kBlock * kTileDepth));
    sums_.resize(static_cast<std::size_t>(PackedMatrix::kBlock * panel_));
  }

  void run(const void* in, void* out) override {
    for (int group = 0; group < geometry_.groups; ++group)
      for (std::int64_t first = 0; first < geometry_.pixels(); first += panel_) {
        const std::int64_t count = std::min(panel_, geometry_.pixels() - first);
        const float* rows = static_cast<const float*>(in) + first * depth_;
        if (!direct_) {
          gather_rows(geometry_, group, first, count, in, sizeof(float), sizeof(float), 0, copy_floats,
                      depth_ * static_cast<std::int64_t>(sizeof(float)), rows_.data());
          rows = rows_.data();
        }
        for (int block = 0; block < groups_[0].blocks(); ++block)
          multiply(group, block, first, count, rows, static_cast<float*>(out));
      }
  }

  std::int64_t weight_bytes() const override {
    std::int64_t bytes = 0;
    for (const PackedMatrix& matrix : groups_) bytes += matrix.bytes();
    return bytes + static_cast<std::int64_t>(epilogue_.offset.size() * 2 * sizeof(float));
  }

 private:
  void multiply(int group, int block, std::int64_t first, std::int64_t count, const float* rows, float* out) {
    const PackedMatrix& matrix = groups_[static_cast<std::size_t>(group)];
    const int width = matrix.width(block);
    const auto multiply_row = weight_bits_ == 4 ? kernels_.multiply_int4 : kernels_.multiply_int8;
    if (count <= kFewRows && multiply_row != nullptr)
      for (std::int64_t r = 0; r < count; ++r)
        multiply_row(rows + r * depth_, matrix.block(block), depth_, width, sums_.data() + r * width);
    else
      multiply_tiles(matrix, block, width, count, rows);
    const std::int64_t channel = std::int64_t{group} * geometry_.outputs() + block * PackedMatrix::kBlock;
    for (std::int64_t r = 0; r < count; ++r)
      kernels_.finish(sums_.data() + r * width, epilogue_.offset.data() + channel,
                      epilogue_.multiplier.data() + channel, low_, high_, matrix.used(block),
                      out + (first + r) * geometry_.output.channels + channel);
  }

  void multiply_tiles(const PackedMatrix& matrix, int block, int width, std::int64_t count,
                      const float* rows) {
    std::fill_n(sums_.begin(), count * width, 0.0f);
    for (std::int64_t k = 0; k < depth_; k += kTileDepth) {
      const std::int64_t some = std::min(kTileDepth, depth_ - k);
      const std::uint8_t* from = matrix.block(block) + k * width * weight_bits_ / 8;
      (weight_bits_ == 4 ? kernels_.decode_int4 : kernels_.decode_int8)(from, some, width, tile_.data());
      for (std::int64_t r = 0; r < count; r += kernels_.max_rows)
        kernels_.multiply(rows + r * depth_ + k, depth_,
                          static_cast<int>(std::min<std::int64_t>(kernels_.max_rows, count - r)),
                          tile_.data(), some, width, sums_.data() + r * width);
    }
  }

  const WeightOnlyKernels& kernels_;
  RowGeometry geometry_;
  int weight_bits_;
  float low_, high_;
  Epilogue epilogue_;
  std::vector<PackedMatrix> groups_;
  bool direct_ = false;  ///< the input itself is the rows
  std::int64_t depth_ = 0, panel_ = 0;
  std::vector<float> rows_, tile_, sums_;
};

/// One filter a channel: every tap is a product of channel vectors.
class WeightOnlyDepthwise final : public PreparedKernel {
 public:
  WeightOnlyDepthwise(const LayerInfo& layer, int batch, const LayerNumbers& numbers,
                      const WeightOnlyKernels& kernels)
      : kernels_(kernels),
        layer_(layer),
        batch_(batch),
        low_(numbers.low),
        high_(numbers.high),
        epilogue_(make_epilogue(numbers)),
        sums_(static_cast<std::size_t>(layer.output.channels)) {
    const std::vector<std::int8_t> weights = effective_weights(numbers, epilogue_);
    const std::size_t channels = sums_.size(), taps = weights.size() / channels;
    for (std::size_t tap = 0; tap < taps; ++tap)
      for (std::size_t c = 0; c < channels; ++c) weights_.push_back(weights[c * taps + tap]);
  }

  void run(const void* in, void* out) override {
    const float* image = static_cast<const float*>(in);
    float* pixel = static_cast<float*>(out);
    for (int n = 0; n < batch_; ++n, image += layer_.input.elements())
      for (int y = 0; y < layer_.output.height; ++y)
        for (int x = 0; x < layer_.output.width; ++x, pixel += layer_.output.channels)
          compute(image, y, x, pixel);
  }

  std::int64_t weight_bytes() const override {
    return static_cast<std::int64_t>(weights_.size() + sums_.size() * 2 * sizeof(float));
  }

 private:
  void compute(const float* image, int y, int x, float* pixel) {
    const Window& w = layer_.window;
    const int channels = layer_.output.channels;
    std::fill(sums_.begin(), sums_.end(), 0.0f);
    for (int ky = 0; ky < w.kernel_h; ++ky)
      for (int kx = 0; kx < w.kernel_w; ++kx) {
        const int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h;
        const int ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
        if (iy < 0 || iy >= layer_.input.height || ix < 0 || ix >= layer_.input.width) continue;
        kernels_.accumulate(image + (std::int64_t{iy} * layer_.input.width + ix) * channels,
                            weights_.data() + (std::int64_t{ky} * w.kernel_w + kx) * channels, channels,
                            sums_.data());
      }
    kernels_.finish(sums_.data(), epilogue_.offset.data(), epilogue_.multiplier.data(), low_, high_, channels,
                    pixel);
  }

  const WeightOnlyKernels& kernels_;
  LayerInfo layer_;
  int batch_;
  float low_, high_;
  Epilogue epilogue_;
  std::vector<std::int8_t> weights_;  ///< [kernel row][kernel column][channel]
  std::vector<float> sums_;
};

}  // namespace

template <base::Isa kIsa, int kBits>
std::unique_ptr<PreparedKernel> make_weight_only(const LayerInfo& layer, LayerBits, Storage, Storage,
                                                 int batch, const LayerNumbers& numbers) {
  const WeightOnlyKernels& kernels =
      pick_isa(kIsa, scalar::weight_only_kernels, avx2::weight_only_kernels, avx512::weight_only_kernels);
  if (layer.kind == LayerKind::depthwise && layer.input.channels == layer.output.channels)
    return std::make_unique<WeightOnlyDepthwise>(layer, batch, numbers, kernels);
  return std::make_unique<WeightOnlyLayer>(layer, batch, numbers, kBits, kernels);
}

template MakeKernel make_weight_only<base::Isa::scalar, 8>;
template MakeKernel make_weight_only<base::Isa::avx2, 8>;
template MakeKernel make_weight_only<base::Isa::avx512, 8>;
template MakeKernel make_weight_only<base::Isa::scalar, 4>;
template MakeKernel make_weight_only<base::Isa::avx2, 4>;
template MakeKernel make_weight_only<base::Isa::avx512, 4>;

}  // namespace bitsmith::quant
