#include "search/observation.hpp"

#include <algorithm>

namespace bitsmith::search {
namespace {

enum Entry {
  // clang-format off
  layer_index, input_channels, output_channels, kernel, stride, input_size, weights,
  depthwise, is_weight, previous
  // clang-format on
};
constexpr int kNormalised = depthwise;  // the entries before it

using Raw = std::array<double, kNormalised>;

Raw describe(const quant::LayerInfo& layer, int index) {
  const bool linear = layer.kind == quant::LayerKind::linear;
  Raw raw{};
  raw[layer_index] = index;
  raw[input_channels] = linear ? static_cast<double>(layer.input.elements()) : layer.input.channels;
  raw[output_channels] = layer.output.channels;
  raw[kernel] = linear ? 1 : std::max(layer.window.kernel_h, layer.window.kernel_w);
  raw[stride] = linear ? 0 : std::max(layer.window.stride_h, layer.window.stride_w);
  raw[input_size] = linear ? static_cast<double>(layer.input.elements())
                           : double{1} * layer.input.height * layer.input.width;
  raw[weights] = static_cast<double>(layer.weights());
  return raw;
}

}  // namespace

Observer::Observer(const quant::NetworkInfo& network, const ActionSpace& space) : space_(space) {
  std::vector<Raw> raw;
  for (std::size_t i = 0; i < network.layers.size(); ++i)
    raw.push_back(describe(network.layers[i], static_cast<int>(i)));
  of_layer_.resize(raw.size());
  for (std::size_t entry = 0; entry < kNormalised; ++entry) {
    const auto by_entry = [entry](const Raw& a, const Raw& b) { return a[entry] < b[entry]; };
    const auto [low, high] = std::ranges::minmax_element(raw, by_entry);
    const double range = (*high)[entry] - (*low)[entry];
    for (std::size_t i = 0; i < raw.size(); ++i) {
      of_layer_[i][entry] = range > 0 ? static_cast<float>((raw[i][entry] - (*low)[entry]) / range) : 0.0f;
    }
  }
  for (std::size_t i = 0; i < raw.size(); ++i) {
    of_layer_[i][depthwise] = network.layers[i].kind == quant::LayerKind::depthwise ? 1.0f : 0.0f;
  }
}

Observation Observer::before(int step, const quant::Policy& policy) const {
  const Step now = space_.steps()[static_cast<std::size_t>(step)];
  Observation observation = of_layer_[static_cast<std::size_t>(now.layer)];
  observation[is_weight] = now.part == Part::weight ? 1.0f : 0.0f;
  observation[previous] = 1.0f;
  if (now.part == Part::activation || now.layer > 0) {
    const Step last =
        now.part == Part::activation ? Step{now.layer, Part::weight} : Step{now.layer - 1, Part::activation};
    observation[previous] =
        static_cast<float>(space_.to_action(last.layer, last.part, bits_of(policy, last)));
  }
  return observation;
}

}  // namespace bitsmith::search
