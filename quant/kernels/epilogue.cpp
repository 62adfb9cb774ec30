#include "quant/kernels/epilogue.hpp"

#include <algorithm>
#include <cmath>

#include "quant/kernels/dispatch.hpp"

namespace bitsmith::quant {
namespace {

template <typename Weight>
std::vector<Weight> without_constant_channels(std::vector<Weight> weights, const Epilogue& epilogue) {
  const std::size_t channels = epilogue.constant.size(), each = weights.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    if (epilogue.constant[c])
      std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(c * each), each, Weight{0});
  return weights;
}

}  // namespace

Epilogue make_epilogue(const LayerNumbers& numbers) {
  Epilogue epilogue;
  for (std::size_t c = 0; c < numbers.multiplier.size(); ++c) {
    const float offset = numbers.bias[c] / numbers.multiplier[c];
    const bool constant = !std::isfinite(offset);
    epilogue.constant.push_back(constant);
    epilogue.offset.push_back(constant ? numbers.bias[c] : offset);
    epilogue.multiplier.push_back(constant ? 1.0f : numbers.multiplier[c]);
  }
  return epilogue;
}

Finisher::Finisher(const LayerNumbers& numbers, const Epilogue& epilogue, const LayerInfo& layer, Storage to,
                   base::Isa isa)
    : offset_(epilogue.offset),
      multiplier_(epilogue.multiplier),
      low_(numbers.low),
      high_(numbers.high),
      each_(storage_bytes(to)),
      stride_(layer.output.channels * each_) {
  if (to != Storage::f32) {
    low_ = std::max(low_, to == Storage::u8 ? 0.0f : -128.0f);
    high_ = std::min(high_, to == Storage::u8 ? 255.0f : 127.0f);
  }
  const FinishKernels& kernels =
      pick_isa(isa, scalar::finish_kernels, avx2::finish_kernels, avx512::finish_kernels);
  finish_ = to == Storage::f32 ? kernels.f32 : to == Storage::u8 ? kernels.u8 : kernels.s8;
}

void Finisher::finish(const std::int32_t* sums, int width, int rows, const std::int32_t* correction,
                      std::int64_t channel, int count, std::int64_t first, void* out) const {
  const FinishChannels channels{
      correction + channel, offset_.data() + channel, multiplier_.data() + channel, low_, high_, count};
  finish_(sums, width, rows, channels, static_cast<std::uint8_t*>(out) + first * stride_ + channel * each_,
          stride_);
}

std::vector<std::int8_t> effective_weights(const LayerNumbers& numbers, const Epilogue& epilogue) {
  return without_constant_channels(numbers.weights, epilogue);
}

std::vector<float> effective_float_weights(const LayerNumbers& numbers, const Epilogue& epilogue) {
  return without_constant_channels(numbers.float_weights, epilogue);
}

}  // namespace bitsmith::quant
