#include "trainer/onnx/imported_policy.hpp"

namespace bitsmith::trainer::onnx {
namespace {

const ImportedBits* bits_of(const ImportedNetwork& imported, std::size_t layer) {
  const auto found = imported.bits.find(imported.info.layers[layer].name);
  return found == imported.bits.end() ? nullptr : &found->second;
}

}  // namespace

quant::Policy imported_policy(const ImportedNetwork& imported) {
  quant::Policy policy = quant::uniform_policy(imported.info, {quant::kFloatBits, quant::kFloatBits});
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    const ImportedBits* bits = bits_of(imported, i);
    if (bits == nullptr || bits->weight_bits > 8) continue;
    policy.layers[i] = {bits->weight_bits,
                        bits->activation_bits > 8 ? quant::kFloatBits : bits->activation_bits};
  }
  return policy;
}

void apply_imported_policy(Network& network, const ImportedNetwork& imported, CalibrationTable table) {
  const quant::Policy policy = imported_policy(imported);
  for (std::size_t i = 0; i < policy.layers.size(); ++i)
    if (const ImportedBits* bits = bits_of(imported, i))
      if (!policy.layers[i].activation.is_float() && bits->activation_scale > 0)
        table.set(static_cast<int>(i), bits->activation_bits, bits->activation_scale);
  const std::vector<int> tensors = network.info().quantize_nodes();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = network.info().nodes[static_cast<std::size_t>(tensors[i])].name;
    table.set_tensor(static_cast<int>(i), imported.tensor_scales.at(name));
  }
  apply_policy(network, policy, table, {});
  for (std::size_t i = 0; i < policy.layers.size(); ++i) {
    const ImportedBits* bits = bits_of(imported, i);
    if (bits == nullptr || policy.layers[i].weight.is_float() || bits->weight_scales.empty()) continue;
    LayerQuantization q = network.quantization(static_cast<int>(i));
    q.weight_clip.clear();
    q.weight_scales = bits->weight_scales;
    if (q.weight_scales.size() == 1) q.weight_granularity = quant::Granularity::tensor;
    network.set_quantization(static_cast<int>(i), std::move(q));
  }
}

}  // namespace bitsmith::trainer::onnx
