#include "trainer/ptq/fix_weights.hpp"

#include <algorithm>
#include <utility>

#include "trainer/layers/weight_quantizer.hpp"

namespace bitsmith::trainer::ptq {

void fix_weights(Network& network) {
  for (std::size_t l = 0; l < network.info().layers.size(); ++l) {
    LayerQuantization q = network.quantization(static_cast<int>(l));
    if (!q.weight_format.is_integer()) continue;
    Parameter& weight = *network.find_parameter(network.info().layers[l].name + ".weight");
    WeightQuantizer quantizer;
    quantizer.update(weight, q);
    std::copy_n(quantizer.values(), weight.value.size(), weight.value.begin());
    q.weight_clip.clear();
    q.weight_scales.assign(quantizer.scales().begin(), quantizer.scales().end());
    network.set_quantization(static_cast<int>(l), std::move(q));
  }
}

}  // namespace bitsmith::trainer::ptq
