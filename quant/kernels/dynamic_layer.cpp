#include "quant/kernels/dynamic_layer.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/fake_quantize.hpp"

namespace bitsmith::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class DynamicLayer final : public PreparedKernel {
 public:
  DynamicLayer(const LayerInfo& layer, LayerBits bits, int activation_bits, const KernelRow& row, int batch,
               const LayerNumbers& numbers)
      : from_(input_storage(layer, bits)),
        range_(integer_range(activation_bits, layer.input_signed)),
        batch_(batch),
        inputs_(layer.input.elements()),
        outputs_(layer.output.elements()),
        bias_(numbers.bias),
        low_(numbers.low),
        high_(numbers.high),
        scales_(static_cast<std::size_t>(batch)),
        integers_(static_cast<std::size_t>(batch * inputs_ * storage_bytes(from_))) {
    LayerNumbers sums = numbers;
    std::ranges::fill(sums.bias, 0.0f);
    sums.low = -kInfinity;
    sums.high = kInfinity;
    inner_ = row.prepare(layer, bits, from_, Storage::f32, batch, sums);
  }

  void run(const void* in, void* out) override {
    const auto* x = static_cast<const float*>(in);
    for (int n = 0; n < batch_; ++n) quantize(x + n * inputs_, n);
    inner_->run(integers_.data(), out);
    auto* y = static_cast<float*>(out);
    for (int n = 0; n < batch_; ++n) finish(y + n * outputs_, from_ == Storage::f32 ? 1.0f : scale(n));
  }

  std::int64_t weight_bytes() const override { return inner_->weight_bytes(); }

 private:
  float& scale(int image) { return scales_[static_cast<std::size_t>(image)]; }

  void quantize(const float* x, int image) {
    scale(image) = dynamic_scale(x, inputs_, range_);
    std::byte* to = integers_.data() + image * inputs_ * storage_bytes(from_);
    const auto [low, high] = range_;
    if (from_ == Storage::u8)
      quantize_u8(x, inputs_, scale(image), low, high, reinterpret_cast<std::uint8_t*>(to));
    else if (from_ == Storage::s8)
      quantize_s8(x, inputs_, scale(image), low, high, reinterpret_cast<std::int8_t*>(to));
    else
      fake_quantize(x, inputs_, scale(image), low, high, reinterpret_cast<float*>(to));
  }

  void finish(float* y, float by) const {
    const std::size_t channels = bias_.size();
    for (std::int64_t i = 0; i < outputs_; i += static_cast<std::int64_t>(channels))
      for (std::size_t c = 0; c < channels; ++c)
        y[static_cast<std::size_t>(i) + c] =
            std::clamp(y[static_cast<std::size_t>(i) + c] * by + bias_[c], low_, high_);
  }

  Storage from_;
  IntegerRange range_;
  int batch_;
  std::int64_t inputs_, outputs_;
  std::vector<float> bias_;
  float low_, high_;
  std::vector<float> scales_;
  base::AlignedVector<std::byte> integers_;
  std::unique_ptr<PreparedKernel> inner_;
};

}  // namespace

std::unique_ptr<PreparedKernel> prepare_dynamic_layer(const LayerInfo& layer, LayerBits bits,
                                                      int activation_bits, const KernelRow& row, int batch,
                                                      const LayerNumbers& numbers) {
  return std::make_unique<DynamicLayer>(layer, bits, activation_bits, row, batch, numbers);
}

}  // namespace bitsmith::quant
