#include "quant/kernels/epilogue.hpp"

#include <algorithm>
#include <cmath>

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

std::vector<std::int8_t> effective_weights(const LayerNumbers& numbers, const Epilogue& epilogue) {
  return without_constant_channels(numbers.weights, epilogue);
}

std::vector<float> effective_float_weights(const LayerNumbers& numbers, const Epilogue& epilogue) {
  return without_constant_channels(numbers.float_weights, epilogue);
}

}  // namespace bitsmith::quant
