#include "trainer/ptq/layer_error.hpp"

#include <span>

#include "quant/formats/encoding.hpp"
#include "trainer/layers/weight_quantizer.hpp"
#include "trainer/ptq/node_walk.hpp"

namespace bitsmith::trainer::ptq {
namespace {

Likeness compare(std::span<const float> wanted, std::span<const float> got) {
  const quant::ErrorMeasures error = quant::measure_error(wanted, got);
  return {error.sqnr_db, error.cosine};
}

std::span<const float> values(const Tensor& tensor) {
  return {tensor.data(), static_cast<std::size_t>(tensor.elements())};
}

Likeness compare_weights(const Network& quantized, const Network& reference, int layer) {
  const std::string name = reference.info().layers[static_cast<std::size_t>(layer)].name + ".weight";
  const Parameter& got = *quantized.find_parameter(name);
  const auto& wanted = reference.find_parameter(name)->value;
  if (!quantized.quantization(layer).quantizes_weights()) return compare(wanted, got.value);
  WeightQuantizer quantizer;
  quantizer.update(got, quantized.quantization(layer));
  return compare(wanted, {quantizer.values(), got.value.size()});
}

}  // namespace

std::vector<LayerError> layer_errors(const Network& quantized, const Network& reference,
                                     const Tensor& images) {
  std::vector<LayerError> errors;
  walk_layers(quantized, reference, images, [&](int layer, NodeWalk& got, const NodeWalk& wanted) {
    const int node = reference.info().layers[static_cast<std::size_t>(layer)].node;
    got.run(node);
    errors.push_back({compare_weights(quantized, reference, layer),
                      compare(values(wanted.value(node)), values(got.value(node)))});
  });
  return errors;
}

}  // namespace bitsmith::trainer::ptq
