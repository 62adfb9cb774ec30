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

bool rounds_within_32_bits(const LayerNumbers& numbers, const Epilogue& epilogue) {
  constexpr double largest_activation = 255, largest_rounded = 2147483392;  // the float below 2^31
  const std::size_t channels = epilogue.offset.size(), each = numbers.weights.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (std::size_t i = c * each; i < (c + 1) * each; ++i)
      sum += largest_activation * std::abs(static_cast<double>(numbers.weights[i]));
    const double most = (sum + std::abs(static_cast<double>(epilogue.offset[c]))) *
                        std::abs(static_cast<double>(epilogue.multiplier[c]));
    if (!(most < largest_rounded)) return false;
  }
  return true;
}

OutputRange rounded_range(const LayerNumbers& numbers, Storage to) {
  const bool is_signed = to == Storage::s8;
  return {static_cast<int>(std::nearbyint(std::max(numbers.low, is_signed ? -128.0f : 0.0f))),
          static_cast<int>(std::nearbyint(std::min(numbers.high, is_signed ? 127.0f : 255.0f)))};
}

std::vector<std::int8_t> effective_weights(const LayerNumbers& numbers, const Epilogue& epilogue) {
  return without_constant_channels(numbers.weights, epilogue);
}

std::vector<float> effective_float_weights(const LayerNumbers& numbers, const Epilogue& epilogue) {
  return without_constant_channels(numbers.float_weights, epilogue);
}

}  // namespace bitsmith::quant
